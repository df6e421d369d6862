"""The client's settings: where the backend is."""

import ssl
from dataclasses import dataclass

from common.settings import ServiceSettings, flag, number, setting
from common.urls import base_url, masked_url

ALLOWED = (
    "host, host:port or [IPv6]:port (http, port 8080 where none is given), "
    "or http://host[:port][/path] or https://host[:port][/path]"
)


def backend_url(text: str) -> str:
    """Parse URL: the backend's base URL, without a slash at its end.

    >>> backend_url("backend"), backend_url("https://backend/api/")
    ('http://backend:8080', 'https://backend/api')
    """
    has_scheme = "://" in text
    try:
        parts = base_url(text if has_scheme else f"http://{text}")
    except ValueError:
        raise ValueError(ALLOWED) from None
    if not has_scheme:
        if parts.path:
            raise ValueError(ALLOWED)
        if parts.port is None:
            parts = parts._replace(netloc=f"{parts.netloc}:8080")
    return parts.geturl().rstrip("/")


def ca_file(text: str) -> str:
    """Parse URL_CA_FILE: a file of CA certificates."""
    try:
        ssl.create_default_context(cafile=text)
    except OSError:  # also ssl.SSLError
        raise ValueError("a readable file of CA certificates in PEM format") from None
    return text


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """Where the backend is and how much it may answer."""

    port: int = setting(number(1, 65535), "Port to listen on.", default=8082)
    url: str = setting(
        backend_url,
        f"The backend: {ALLOWED}.",
        default="http://localhost:8080",
        shown_default="localhost",
        mask=masked_url,
    )
    url_ca_file: str = setting(
        ca_file,
        "CA certificates (PEM) that the backend's certificate is verified with, for an https `URL`.",
        default="",
        shown_default="the public CAs",
    )
    max_answer_bytes: int = setting(
        number(1, 1_000_000_000),
        "Largest answer accepted from the backend, in bytes once decoded.",
        default=1_048_576,
    )
    page: bool = setting(
        flag,
        "Answer browsers with a page, which names Pods and nodes: `true` or `false`.",
        default=True,
        shown_default="true",
    )

    def conflicts(self) -> list[str]:
        # Each is held twice: a body as it came and as it is sent, an answer encoded and decoded.
        if 2 * (self.max_request_bytes + self.max_answer_bytes) <= self.max_buffered_bytes:
            return []
        sizes = f"MAX_REQUEST_BYTES={self.max_request_bytes} and MAX_ANSWER_BYTES={self.max_answer_bytes}"
        allowed = f"together at most half of MAX_BUFFERED_BYTES={self.max_buffered_bytes}"
        return [f"{sizes} are not allowed: expected {allowed}"]
