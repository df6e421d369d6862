"""Texts of callers, as answers, pages and the log repeat them."""


def shortened(text: str, length: int = 100) -> str:
    """Return the text, or its beginning and `…` if it is longer than `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
