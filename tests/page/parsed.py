"""A page as a parser of HTML sees it, so that tests can tell what in it is an element."""

from html.parser import HTMLParser

# All that the page is made of.
ELEMENTS = {
    "a", "body", "button", "caption", "code", "datalist", "dd", "details", "div", "dl", "dt", "fieldset",
    "form", "h1", "h2", "head", "header", "html", "input", "label", "legend", "li", "link", "main",
    "meta", "nav", "ol", "option", "p", "path", "pre", "rect", "script", "section", "select", "small",
    "span", "style", "summary", "svg", "table", "tbody", "td", "textarea", "th", "thead", "title", "tr",
}  # fmt: skip
ATTRIBUTES = {
    "action", "aria-checked", "aria-current", "aria-describedby", "aria-hidden", "aria-label",
    "aria-labelledby", "autocapitalize", "charset", "class", "content", "d", "data-live", "dir", "for",
    "height", "hidden", "href", "id", "lang", "list", "max", "maxlength", "method", "min", "name",
    "placeholder", "preserveaspectratio", "rel", "required", "role", "rows", "scope", "selected",
    "spellcheck", "step", "tabindex", "type", "value", "viewbox", "width",
}  # fmt: skip
VOID = {"input", "link", "meta"}


class Parsed(HTMLParser):
    """The elements of a page, the text in them, and what is not as it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.strange: list[object] = []
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        self.strange += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        links = [attributes[name] for name in ("href", "action") if name in attributes and tag != "link"]
        if (
            tag not in ELEMENTS
            or attributes.keys() - ATTRIBUTES
            or len(attributes) != len(attrs)
            or any(not link.startswith("/") or link.startswith(("//", "/\\")) for link in links)
        ):
            self.strange.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()  # of an SVG, which may end so

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.strange.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data
        elif data.strip():
            self.strange.append(data)

    def handle_comment(self, data: str) -> None:
        self.strange.append(data)

    def handle_pi(self, data: str) -> None:
        self.strange.append(data)

    def unknown_decl(self, data: str) -> None:
        self.strange.append(data)

    def find(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a kind that have some."""
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]
