"""The transport as a requests adapter: mounted in a plain Session it does what requests promises."""

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from threading import Event

import gevent
import pytest
import requests
from requests.auth import HTTPDigestAuth

from client import transport
from client.errors import Disconnected, NotConnected, Unreadable
from client.transport import PooledAdapter
from tests.calls import PATIENCE, eventually
from tests.processes import free_port
from tests.scripted_backend import (
    HELLO,
    ScriptedBackend,
    answer,
    as_json,
    hangs_after,
    sends,
    sends_and_stays,
)

BODY = HELLO.partition(b"\r\n\r\n")[2]
OTHERS = as_json(200, {"message": "another caller's"})


@pytest.fixture
def adapter() -> Iterator[PooledAdapter]:
    with closing(PooledAdapter()) as adapter:
        yield adapter


@pytest.fixture
def session(adapter: PooledAdapter) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", adapter)
        yield session


@pytest.fixture
def base(upstream: ScriptedBackend) -> str:
    return f"http://127.0.0.1:{upstream.port}"


def connections(upstream: ScriptedBackend, target: str) -> int:
    """Return how many connections the requests for a target came on."""
    return len(set(upstream.connections_of(target)))


def test_a_session_gets_an_answer(session: requests.Session, upstream: ScriptedBackend, base: str) -> None:
    target = upstream.will(sends(as_json(418, {"a": "ü"}, "X-Twice: 1", "Retry-After: 7")))

    response = session.get(base + target, headers={"X-Mine": "y"})

    assert (response.status_code, response.reason, response.json()) == (418, "Whatever", {"a": "ü"})
    assert (response.headers["retry-after"], response.headers["X-TWICE"]) == ("7", "1")
    assert response.url == base + target
    assert b"\r\nX-Mine: y\r\n" in upstream.seen(target)[0]


def test_a_text_is_decoded_as_its_content_type_says(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    latin = sends(answer(200, "ä".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1"))

    assert session.get(base + upstream.will(latin)).text == "ä"


def test_repeated_headers_are_joined(session: requests.Session, upstream: ScriptedBackend, base: str) -> None:
    repeated = sends(answer(200, b"{}", "Via: a", "X: y", "via: b", "VIA: c"))

    headers = session.get(base + upstream.will(repeated)).headers

    assert (headers["Via"], headers["X"]) == ("a, b, c", "y")


def test_a_digest_is_sent_where_it_is_asked_for(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    challenge = answer(401, b"", 'WWW-Authenticate: Digest realm="a", nonce="b", qop="auth"')
    target = upstream.will(sends_and_stays(challenge), sends_and_stays(HELLO))

    response = session.get(base + target, auth=HTTPDigestAuth("user", "password"))

    assert response.content == BODY
    assert b"\r\nAuthorization: Digest " in upstream.seen(target)[1]


def test_a_host_header_of_the_callers_own_is_the_only_one(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    target = upstream.will(sends(HELLO))

    session.get(base + target, headers={"host": "his.own"})

    assert [
        line for line in upstream.seen(target)[0].split(b"\r\n") if line.lower().startswith(b"host:")
    ] == [b"host: his.own"]


def test_a_gzip_body_is_decoded_also_in_pieces(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    text = json.dumps(list(range(100_000))).encode()
    target = upstream.will(sends_and_stays(answer(200, gzip.compress(text), "Content-Encoding: gzip")))

    assert session.get(base + target).content == text
    with session.get(base + target, stream=True) as response:
        assert b"".join(response.iter_content(1000)) == text


def test_trailers_are_not_headers(session: requests.Session, upstream: ScriptedBackend, base: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    response = session.get(base + upstream.will(sends(head + b"2\r\n{}\r\n0\r\nRetry-After: 9\r\n\r\n")))

    assert response.content == b"{}"
    assert list(response.headers) == ["transfer-encoding"]


def test_redirects_are_followed(session: requests.Session, upstream: ScriptedBackend, base: str) -> None:
    there = upstream.will(sends_and_stays(HELLO))
    here = upstream.will(sends_and_stays(answer(302, b"", f"Location: {there}")))

    response = session.get(base + here)

    assert (response.content, [each.status_code for each in response.history]) == (BODY, [302])


def test_an_answer_to_head_has_no_body(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    target = upstream.will(sends_and_stays(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))

    assert [session.head(base + target).content for _ in range(2)] == [b"", b""]
    assert connections(upstream, target) == 1


def test_a_body_is_sent(session: requests.Session, upstream: ScriptedBackend, base: str) -> None:
    target = upstream.will(sends(HELLO))

    assert session.post(base + target, json={"a": 1}).content == BODY
    assert upstream.sent(target) == [b'{"a": 1}']
    assert b"\r\nContent-Length: 8\r\n" in upstream.seen(target)[0]


def test_a_late_answer_is_a_read_timeout(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    target = upstream.will(hangs_after(HELLO[:-10]))

    with pytest.raises(requests.ReadTimeout):
        session.get(base + target, timeout=(PATIENCE, 0.2))


def test_a_refused_connection_is_a_connection_error(session: requests.Session) -> None:
    with pytest.raises(NotConnected) as refused:
        session.get(f"http://127.0.0.1:{free_port()}/")

    assert isinstance(refused.value, requests.ConnectionError)


@pytest.mark.parametrize(
    ("sent", "error"), [(HELLO[:-10], Disconnected), (b"HTTP/1.1 600 High\r\n\r\n", Unreadable)]
)
def test_a_bad_answer_is_a_requests_error(
    session: requests.Session, upstream: ScriptedBackend, base: str, sent: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        session.get(base + upstream.will(sends(sent)))

    assert isinstance(raised.value, requests.RequestException)


@pytest.mark.parametrize(
    "unsupported",
    [{"verify": False}, {"cert": "client.pem"}, {"proxies": {"http": "http://127.0.0.1:1"}}],
    ids=lambda each: next(iter(each)),
)
def test_what_is_not_supported_is_refused(session: requests.Session, base: str, unsupported: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(requests.RequestException, match="not supported"):
        session.get(base, **unsupported)


@pytest.mark.parametrize("url", ["/?a b", "/?ü", "/?\x7f"])
def test_a_url_that_would_break_the_request_is_refused(adapter: PooledAdapter, base: str, url: str) -> None:
    prepared = requests.Request("GET", base).prepare()
    prepared.url = base + url

    with pytest.raises(requests.exceptions.InvalidURL):
        adapter.send(prepared)


@pytest.mark.parametrize("method", ["GET /", "GET\r\nX:", "GËT"])
def test_a_method_that_would_break_the_request_is_refused(
    adapter: PooledAdapter, base: str, method: str
) -> None:
    prepared = requests.Request("GET", base).prepare()
    prepared.method = method

    with pytest.raises(requests.exceptions.InvalidURL):
        adapter.send(prepared)


def test_a_header_that_would_break_the_request_is_refused(adapter: PooledAdapter, base: str) -> None:
    prepared = requests.Request("GET", base).prepare()
    prepared.headers["X"] = "y\r\nZ: z"

    with pytest.raises(requests.exceptions.InvalidHeader):
        adapter.send(prepared)


def test_a_connection_is_replaced_after_its_last_request(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    target = upstream.will(sends_and_stays(HELLO))

    for _ in range(transport.MAX_REQUESTS + 1):
        assert session.get(base + target).content == BODY

    assert connections(upstream, target) == 2


def test_a_connection_is_replaced_at_its_max_age(
    session: requests.Session, upstream: ScriptedBackend, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MIN_AGE", 0.0)
    monkeypatch.setattr(transport, "MAX_AGE", 0.0)
    target = upstream.will(sends_and_stays(HELLO))

    assert [session.get(base + target).content for _ in range(2)] == [BODY] * 2
    assert connections(upstream, target) == 2


@pytest.mark.parametrize("later", [b"", OTHERS], ids=["its end", "an answer that nobody asked for"])
def test_a_connection_on_which_something_came_while_it_was_idle_is_not_used(
    session: requests.Session, adapter: PooledAdapter, upstream: ScriptedBackend, base: str, later: bytes
) -> None:
    go_on = Event()

    def goes_on(connection: socket.socket) -> bool:
        connection.sendall(HELLO)
        go_on.wait(PATIENCE)
        connection.sendall(later)
        return bool(later)

    session.get(base + upstream.will(goes_on))
    [[idle]] = adapter.idle.values()
    go_on.set()
    eventually("it is there", lambda: idle.poll.poll(0))
    target = upstream.will(sends_and_stays(HELLO))

    assert session.get(base + target).content == BODY


def test_an_idle_connection_is_closed_at_its_max_age(
    session: requests.Session, upstream: ScriptedBackend, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MIN_AGE", 0.1)
    monkeypatch.setattr(transport, "MAX_AGE", 0.1)
    monkeypatch.setattr(transport, "SWEEP_INTERVAL", 0.05)
    closed = Event()

    def answers_and_waits(connection: socket.socket) -> None:
        connection.sendall(HELLO)
        if connection.recv(1) == b"":
            closed.set()

    session.get(base + upstream.will(answers_and_waits))
    with gevent.Timeout(PATIENCE):
        while not closed.is_set():
            gevent.sleep(0.01)


def test_a_response_that_is_not_read_to_the_end_closes_its_connection(
    session: requests.Session, upstream: ScriptedBackend, base: str
) -> None:
    closed = Event()

    def answers_in_part(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        if connection.recv(1) == b"":
            closed.set()

    with session.get(base + upstream.will(answers_in_part), stream=True) as response:
        assert response.status_code == 200
    eventually("the connection is closed", closed.is_set)
