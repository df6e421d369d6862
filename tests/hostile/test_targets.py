"""Request targets that try to inject headers, or to reach files and other servers."""

import pytest

from tests.hostile.answers import statuses
from tests.processes import Service
from tests.scripted_backend import ScriptedBackend


def get(service: Service, target: bytes, method: bytes = b"GET") -> list[int]:
    return statuses(service, method + b" " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("control", [b"\r\n", b"\r", b"\n", b"\0", b"\x7f", b"\t"])
def test_a_control_character_in_a_query_is_a_400(service: Service, control: bytes) -> None:
    assert get(service, b"/?a=" + control + b"X-Evil:1") == [400]


@pytest.mark.parametrize(
    "query",
    [
        b"%0d%0aX-Evil:%201",
        b"%0D%0A%0D%0AGET%20/evil%20HTTP/1.1",
        b"%00",
        b"%250d%250a",
        b"%E5%98%8A%E5%98%8DX-Evil:1",
        b"%u000d%u000a",
        b"%c0%8d%c0%8a",
    ],
)
def test_an_encoded_control_character_stays_encoded(
    service: Service, upstream: ScriptedBackend, query: bytes
) -> None:
    assert get(service, b"/?" + query) == [200]
    assert b"X-Evil" not in b"".join(
        line for seen in upstream.requests.values() for head in seen for line in head.split(b"\r\n")[1:]
    )


@pytest.mark.parametrize(
    ("path", "status_of_client"),
    [
        (b"/../../etc/passwd", 400),
        (b"/%2e%2e/%2e%2e/etc/passwd", 400),
        (b"/..%2f..%2fetc%2fpasswd", 400),
        (b"/..\\..\\etc\\passwd", 400),
        (b"/..%5c..%5cetc%5cpasswd", 400),
        (b"/%252e%252e/etc/passwd", 400),
        (b"/..;/healthz", 400),
        (b"/./", 400),
        (b"/static/../app.py", 400),
        (b"/app.py", 200),
        (b"/.env", 200),
        (b"/etc/passwd%00.json", 400),
        (b"/%00", 400),
        (b"/%ff", 400),
        (b"/%", 400),
        (b"/healthz/", 404),
        (b"/healthz%20", 200),
        (b"/HEALTHZ", 200),
    ],
)
def test_a_path_that_is_not_a_route_is_a_404_or_passed_on(
    service: Service, path: bytes, status_of_client: int
) -> None:
    assert get(service, path) == [404 if service.name == "backend" else status_of_client]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://evil.example/", 200),
        (b"http://evil.example", 200),
        (b"http://evil.example?x", 200),
        (b"http://evil.example/x", {"backend": 404, "client": 200}),
        (b"http://user:secret@evil.example:99999/", 200),
        (b"file:///etc/passwd", {"backend": 404, "client": 200}),
        (b"gopher://evil.example/", 200),
        (b"http:///", 200),
        (b"//evil.example/", 400),
        (b"//healthz", 400),
        (b"///[", 400),
        (b"http://evil.example//healthz", 400),
        (b"http://[::1/", 400),
        (b"http://[evil]/", 400),
        (b"evil.example:80", 400),
        (b"evil.example", 400),
        (b"?x", 400),
        (b"*", 400),
    ],
)
def test_a_target_in_another_form_does_not_choose_another_server(
    service: Service, target: bytes, status: int | dict[str, int]
) -> None:
    assert get(service, target) == [status[service.name] if isinstance(status, dict) else status]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"CONNECT", b"evil.example:80", {"backend": 404, "client": 405}),
        (b"CONNECT", b"[::1", {"backend": 404, "client": 405}),
        (b"CONNECT", b"/", 405),
        (b"OPTIONS", b"*", {"backend": 404, "client": 405}),
        (b"OPTIONS", b"/", 405),
    ],
)
def test_a_tunnel_is_refused(
    service: Service, method: bytes, target: bytes, status: int | dict[str, int]
) -> None:
    assert get(service, target, method) == [status[service.name] if isinstance(status, dict) else status]
