"""URLs in settings: which are allowed, and what of them may be logged."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

# Docker allows underscores in container names; a trailing dot makes a name absolute.
NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")  # RFC 3986 section 3.3

# Without room for a credential before the path; `tcp` is in variables that Kubernetes sets for Services.
PLAIN = re.compile(
    r"(?:https?|tcp|postgres(?:ql)?(?:\+psycopg)?)://"
    r"(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?P<path>/[a-z0-9_./~-]*)?",
    re.IGNORECASE,
)


def base_url(text: str) -> SplitResult:
    """Return the parts of http[s]://host[:port][/path], without user, query or fragment.

    Raises:
        ValueError: `text` is not such a URL.
    """
    parts = urlsplit(text)
    host = parts.hostname or ""
    netloc = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        netloc += f":{parts.port}"
    if (
        parts.scheme not in ("http", "https")
        or parts.port == 0
        or not (is_address(host) or is_name(host))
        # What urlsplit drops or forgives: users, queries, fragments, blanks, a colon without a port.
        or text.lower() != f"{parts.scheme}://{netloc}{parts.path}".lower()
        or not PATH.fullmatch(parts.path)
    ):
        raise ValueError(text)
    return parts._replace(netloc=netloc)


def is_address(host: str) -> bool:
    """Return whether `host` is an IPv4 or IPv6 address."""
    try:
        return not getattr(ipaddress.ip_address(host), "scope_id", None)
    except ValueError:
        return False


def is_name(host: str) -> bool:
    """Return whether `host` may be a DNS name; digits and dots alone would be a mistyped address."""
    return len(host) <= 253 and bool(NAME.fullmatch(host)) and not re.fullmatch(r"[0-9.]+", host)


def port_of(url: SplitResult) -> int:
    """Return the port of a URL, that of its scheme where it names none."""
    return url.port or (443 if url.scheme == "https" else 80)


def masked_url(text: str) -> str:
    """Return a plain URL with its path masked, and `***` for any other text.

    A mistyped text may have its password anywhere, so nothing is shown of one with a user, a query, a
    fragment, a blank, percent-encoding or letters for a port.
    """
    match = PLAIN.fullmatch(text)
    if not match:
        return "***" if text else ""
    path = match["path"] or ""
    return f"{text.removesuffix(path)}/***" if path.strip("/") else text
