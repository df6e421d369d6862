"""The client's setting URL, the address of the backend."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.settings import ALLOWED, backend_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost", "http://localhost:8080"),
        ("flask-backend", "http://flask-backend:8080"),
        ("flask_backend", "http://flask_backend:8080"),
        ("Backend", "http://backend:8080"),
        ("backend.api-network.svc.cluster.local", "http://backend.api-network.svc.cluster.local:8080"),
        ("backend.example.", "http://backend.example.:8080"),
        ("backend:9000", "http://backend:9000"),
        ("10.0.0.1", "http://10.0.0.1:8080"),
        ("10.0.0.1:1", "http://10.0.0.1:1"),
        ("backend:65535", "http://backend:65535"),
        ("[::1]", "http://[::1]:8080"),
        ("[fd00::1]:9000", "http://[fd00::1]:9000"),
        ("[FD00::A]", "http://[fd00::a]:8080"),
        ("http://backend", "http://backend"),
        ("http://backend/", "http://backend"),
        ("HTTP://Backend", "http://backend"),
        ("http://backend:9000/api/v1/", "http://backend:9000/api/v1"),
        ("http://backend/a%20b/~c/@d", "http://backend/a%20b/~c/@d"),
        ("http://[::1]/api", "http://[::1]/api"),
        ("https://backend.example", "https://backend.example"),
        ("https://backend.example:8443/Base", "https://backend.example:8443/Base"),
    ],
)
def test_a_valid_url_is_completed(text: str, url: str) -> None:
    assert backend_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b", " backend", "backend ", "backend\n", "back\nend", "back\tend", "\0", "backend\u3000",
        "backend:", "backend:0", "backend:65536", "backend:-1", "backend:+1", "backend:http", "backend:80:80",
        "backend:8O80", "backend:٨٠", ":8080", "backend:080a", "http://backend:", "http://backend:0",
        "::1", "fd00::1", "[::1", "::1]", "[]", "[localhost]", "[::1]x", "[::1]:", "[fe80::1%eth0]",
        "[1.2.3.4]",
        "1.2.3", "256.1.1.1", "1.2.3.4.5", "-backend", "back..end", ".backend", "a" * 64,
        "a." * 127 + "a", "bäckend", "back!end", "back*", "%62ackend",
        "ftp://backend", "tcp://10.0.0.1:8080", "file:///etc/passwd", "unix:/run/it.sock", "://backend",
        "http:backend", "http:/backend", "http://", "http:///path", "https://:443", "//backend",
        "javascript://x",
        "user@backend", "user:secret@backend", "http://user:secret@backend", "https://user@backend",
        "@backend",
        "http://backend?a=1", "http://backend/?", "http://backend/api?a", "backend?a=1",
        "http://backend#top", "http://backend/#", "backend#",
        "backend/api", "backend/", "backend:80/api", "localhost\\@evil",
        "http://backend/a b", "http://backend/%", "http://backend/%zz", "http://backend/ä", "http://backend\\a",
        "http://backend/a\r\nX: y",
    ],
)  # fmt: skip
def test_an_invalid_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(ALLOWED)}$"):
        backend_url(text)


@given(
    st.text()
    | st.text("ab.:/[]@?#%0 8-_\\")
    | st.builds("{}://{}:{}/{}".format, st.sampled_from(["http", "https"]), st.text(), st.text(), st.text())
)
def test_a_completed_url_is_valid_and_stays_as_it_is(text: str) -> None:
    try:
        url = backend_url(text)
    except ValueError as error:
        assert str(error) == ALLOWED  # noqa: PT017  most texts raise, which is not what is tested
        return
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert backend_url(url) == url
