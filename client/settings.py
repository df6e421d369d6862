"""The client's settings: where the backend is."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from common.settings import ServiceSettings, number, setting

ALLOWED = (
    "host, host:port or [IPv6]:port (http, port 8080 where none is given), "
    "or http://host[:port][/path] or https://host[:port][/path]"
)
# Docker allows underscores in container names; a trailing dot makes a name absolute.
NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")  # RFC 3986 section 3.3


def backend_url(text: str) -> str:
    """A parser for URL: the backend's base URL, without a slash at its end.

    >>> backend_url("backend"), backend_url("https://backend/api/")
    ('http://backend:8080', 'https://backend/api')
    """
    has_scheme = "://" in text
    try:
        parts = urlsplit(text if has_scheme else f"http://{text}")
        port = parts.port
    except ValueError:
        raise ValueError(ALLOWED) from None
    host = parts.hostname or ""
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    if (
        parts.scheme not in ("http", "https")
        or port == 0
        or not (is_address(host) or is_name(host))
        # What urlsplit drops or forgives: users, queries, fragments, blanks, a colon without a port.
        or text.lower() not in (f"{parts.scheme}://{netloc}{parts.path}".lower(), netloc.lower())
        or not PATH.fullmatch(parts.path)
    ):
        raise ValueError(ALLOWED)
    if not has_scheme and port is None:
        netloc += ":8080"
    return f"{parts.scheme}://{netloc}{parts.path}".rstrip("/")


def is_address(host: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        return not getattr(ipaddress.ip_address(host), "scope_id", None)
    except ValueError:
        return False


def is_name(host: str) -> bool:
    """Whether it may be a DNS name; all digits and dots would be a mistyped address."""
    return len(host) <= 253 and bool(NAME.fullmatch(host)) and not re.fullmatch(r"[0-9.]+", host)


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """Where the backend is and how much it may answer."""

    port: int = setting(number(1, 65535), "Port to listen on.", default=8082)
    url: str = setting(
        backend_url, f"The backend: {ALLOWED}.", default="http://localhost:8080", shown_default="localhost"
    )
    max_answer_bytes: int = setting(
        number(1, 1_000_000_000),
        "Largest answer accepted from the backend, in bytes once decoded.",
        default=1_048_576,
    )
