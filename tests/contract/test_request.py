"""What the backend gets to see of a call."""

import re
from urllib.parse import unquote_to_bytes

import pytest

from common.contract import MAX_QUERY_BYTES
from tests.calls import connect, error
from tests.conftest import Start
from tests.processes import Service, free_port
from tests.scripted_backend import HELLO, ScriptedBackend, sends, sends_and_stays

HEADERS = {
    b"Accept: application/json",
    b"Accept-Encoding: gzip",
    b"User-Agent: client",
}  # and Host, which says where the backend is


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(["X-Secret: 1", "Cookie: a=b", "Proxy-Authorization: Basic YTpi"], id="secrets"),
        pytest.param(["X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "Via: x"], id="proxies"),
        pytest.param(["X-HTTP-Method-Override: DELETE", "Connection: Host", "Range: bytes=0-1"], id="tricks"),
        pytest.param(["Accept: text/html", "User-Agent: me", "Accept-Encoding: br"], id="the same names"),
        pytest.param(["Content-Length: 5", "Content-Type: text/plain", "\r\nhello"], id="a body"),
        pytest.param(["Transfer-Encoding: chunked", "\r\n5\r\nhello\r\n0"], id="a chunked body"),
        pytest.param(["Expect: 100-continue", "Upgrade: h2c", "TE: trailers"], id="upgrades"),
    ],
)
def test_no_header_of_the_caller_reaches_the_backend(
    client: Service, upstream: ScriptedBackend, headers: list[str]
) -> None:
    target = upstream.will(sends(HELLO))

    client.call(target, "GET", *headers)

    (seen,) = upstream.seen(target)
    line, *lines = seen.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line == f"GET {target} HTTP/1.1".encode()
    [traceparent] = set(lines) - HEADERS - {f"Host: 127.0.0.1:{upstream.port}".encode()}
    assert traceparent.startswith(b"traceparent: 00-")
    assert len(lines) == 5


def test_a_callers_body_does_not_reach_the_backend_as_a_request(
    client: Service, upstream: ScriptedBackend
) -> None:
    smuggled = upstream.will(sends(HELLO))
    target = upstream.will(sends_and_stays(HELLO))
    body = f"GET {smuggled} HTTP/1.1\r\nHost: a\r\n\r\n"

    client.call(target, "GET", f"Content-Length: {len(body)}", f"\r\n{body}")
    client.call(target)

    assert (len(upstream.seen(target)), upstream.seen(smuggled)) == (2, [])


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"a=1&b=2;c&&d==", b"a=1&b=2;c&&d=="),
        (b"a=%41%2f%20+", b"a=%41%2f%20+"),
        (b"a=/?:@!$'()*,;-._~", b"a=/?:@!$'()*,;-._~"),
        (b"../..//x", b"../..//x"),
        (b"%", b"%25"),
        (b"100%&%zz%4&%e4%", b"100%25&%25zz%254&%e4%25"),
        (b"%250", b"%250"),
        (b"a[0]={1}", b"a%5B0%5D=%7B1%7D"),
        (b"\"<>\\^`|'", b"%22%3C%3E%5C%5E%60%7C'"),
        (b"http://evil.example/", b"http://evil.example/"),
        (b"@evil.example:80", b"@evil.example:80"),
    ],
)
def test_a_query_reaches_the_backend_as_the_same_bytes(
    client: Service, upstream: ScriptedBackend, sent: bytes, seen: bytes
) -> None:
    target = upstream.will(sends(HELLO))

    client.call(target.encode() + b"&" + sent)

    (head,) = upstream.seen(target)
    assert head.split(b"\r\n")[0] == f"GET {target}&".encode() + seen + b" HTTP/1.1"
    assert unquote_to_bytes(seen) == unquote_to_bytes(sent), "the table itself must be right"


def test_the_longest_query_arrives(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends(HELLO))
    query = (target + "&").ljust(MAX_QUERY_BYTES + 2, "x")

    assert client.call(query).status == 200
    assert upstream.seen(target)[0].startswith(f"GET {query} HTTP".encode())


@pytest.mark.parametrize(
    ("query", "size"), [("x" * 60_001, "60001 bytes"), ('"' * 20_001, "60003 bytes once encoded")]
)
def test_a_longer_query_is_a_414(client: Service, query: str, size: str) -> None:
    assert client.call(f"/?{query}").answer == error(414, f"query of {size}; allowed: {MAX_QUERY_BYTES}")


def test_an_absolute_target_does_not_choose_the_backend(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends(HELLO))

    reply = client.call(f"http://evil.example{target}")

    assert reply.status == 200
    assert f"Host: 127.0.0.1:{upstream.port}".encode() in upstream.seen(target)[0]


def test_pipelined_calls_are_answered_in_order(client: Service, upstream: ScriptedBackend) -> None:
    targets = [upstream.will(sends(HELLO)) for _ in range(3)]
    sent = b"".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for target in targets)

    with connect(client.port, sent + b"GET /healthz/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as it:
        data = b"".join(iter(lambda: it.recv(65536), b""))

    assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"200", b"200", b"200", b"404"]


def test_the_proxies_of_the_environment_are_ignored(start: Start, upstream: ScriptedBackend) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), dead)
    client = start("client", URL=f"127.0.0.1:{upstream.port}", **proxies)

    assert client.call(upstream.will(sends(HELLO))).status == 200


def test_a_base_path_comes_before_the_query(
    client_of_a_base_path: Service, upstream: ScriptedBackend
) -> None:
    target = upstream.will(sends(HELLO))

    assert client_of_a_base_path.call(target).status == 200
    assert upstream.seen(target)[0].startswith(f"GET /api/v1{target} HTTP/1.1\r\nHost: localhost:".encode())


def test_a_call_without_a_query_has_none(client: Service, upstream: ScriptedBackend) -> None:
    upstream.behaviours[b""] = (sends(HELLO),)

    assert [client.call("/").status, client.call("/?").status] == [200, 200]
    assert [head.split(b"\r\n")[0] for head in upstream.requests[b""][-2:]] == [b"GET / HTTP/1.1"] * 2
