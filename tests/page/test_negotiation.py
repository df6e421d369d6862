"""Who gets the page, and that programs get what they got without it."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from client.page.serve import with_page
from common.budget import BUFFERED
from common.contract import RESERVED_PATHS
from tests.calls import JSON, PATIENCE, Reply, connect, eventually, request
from tests.conftest import Start
from tests.event_streams import HEAD, LAST_CHUNK, event
from tests.page.conftest import PODS
from tests.page.parsed import Parsed
from tests.page.rendering import PAGE, environ
from tests.processes import Service, running
from tests.scripted_backend import HELLO, ScriptedBackend, answer, as_json, hangs_after, sends, serving

HTML = "Accept: text/html"
# What browsers send.
CHROMIUM = (
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROGRAMS = [
    (),
    ("Accept: */*",),
    ("Accept: application/json",),
    ("Accept: application/json, text/plain, */*",),
    ("Accept: application/json, text/html;q=0.9",),
    ("Accept: text/html;q=0.5, application/json",),
    ("Accept: text/html;q=0, */*",),
    ("Accept: application/*, text/html;q=0.2",),
    ("Accept: nonsense",),
    ("Accept: text/event-stream",),
    ("Accept: text/html, text/event-stream;q=0.1",),
]
BROWSERS = [
    CHROMIUM,
    FIREFOX,
    HTML,
    "Accept: TEXT/HTML",
    "Accept: text/*",
    "Accept: text/html, application/json;q=0.9",
]
END = event({"status_code": 200, "message": "ab", "source": "backend"}, "end")


@pytest.fixture(scope="module")
def plain(described: ScriptedBackend) -> Iterator[Service]:
    """A client without the page."""
    with running("client", URL=f"127.0.0.1:{described.port}", ANSWER_TIMEOUT="1.5", PAGE="false") as it:
        yield it


def varying(reply: Reply) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return an answer without what differs from one to the next."""
    headers = [(name, value) for name, value in reply.headers.items() if name not in ("Date", "Vary")]
    return reply.status, headers, re.sub(rb'"trace_id":"[0-9a-f]{32}"', b"", reply.body)


@pytest.mark.parametrize("headers", PROGRAMS, ids=" ".join)
def test_a_program_gets_the_same_bytes_as_without_the_page(
    client: Service, plain: Service, described: ScriptedBackend, headers: tuple[str, ...]
) -> None:
    targets = [
        described.will(sends(HELLO)),
        described.will(sends(as_json(404, {"status_code": 404, "exc": "no", "source": "backend"}))),
        described.will(sends(as_json(503, {"exc": "busy"}, "Retry-After: 7", 'ETag: "1"'))),
        described.will(sends(answer(200, b"no JSON"))),
        described.will(sends(answer(204, b""))),
        described.will(sends(HEAD + event({"delta": "a"}) + END + LAST_CHUNK)),
        "/%zz",
        f"/?{'x' * 60_001}",
    ]
    for target in targets:
        replies = [service.call(target, "GET", *headers) for service in (client, plain)]
        assert varying(replies[0]) == varying(replies[1])
        assert [reply.headers.get_all("Vary") for reply in replies] == [["Accept"], None]


def test_other_methods_get_json_whatever_they_accept(client: Service, described: ScriptedBackend) -> None:
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        reply = client.call(described.will(sends(HELLO)), method, CHROMIUM)
        assert (reply.headers["Content-Type"], reply.headers["Vary"]) == ("application/json", "Accept")
    form = "Content-Type: application/x-www-form-urlencoded"
    assert client.call("/", "POST", CHROMIUM, form, body=b"a=1").answer[0] == 415
    assert client.call(described.will(sends(HELLO)), "POST", CHROMIUM, JSON, body=b"{}").answer[0] == 200


def test_probes_and_other_paths_of_the_service_stay_json(client: Service) -> None:
    for path in ("/healthz", "/readyz", "/version", "/openapi.json"):
        reply = client.call(path, "GET", CHROMIUM)
        assert (reply.headers["Content-Type"], reply.headers["Vary"]) == ("application/json", None)


def contents(service: Service) -> dict[tuple[str, str], list[str]]:
    """Return the types of the successes that a service describes, by path and method."""
    document = json.loads(service.call("/openapi.json").body)
    return {
        (path, method): list(operation["responses"]["200"]["content"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_the_page_is_described_where_there_is_one(start: Start) -> None:
    backend = start("backend", LOGIC="tests.shop:shop")
    url = f"127.0.0.1:{backend.port}"
    described, plain = contents(start("client", URL=url)), contents(start("client", URL=url, PAGE="false"))

    shown = {key for key in plain if key[1] == "get" and key[0] not in RESERVED_PATHS}
    assert shown
    assert described == {key: types + ["text/html"] * (key in shown) for key, types in plain.items()}


@pytest.mark.parametrize("accept", BROWSERS)
def test_a_browser_gets_the_page(client: Service, described: ScriptedBackend, accept: str) -> None:
    reply = client.call(described.will(sends(HELLO)), "GET", accept)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers.get_all("Vary") == ["Accept"]
    assert "hello" in Parsed(reply.body.decode()).texts["p"]


def test_the_page_allows_nothing_but_its_own_style_script_and_calls(
    client: Service, described: ScriptedBackend
) -> None:
    reply = client.call(described.will(sends(as_json(200, {"message": "hi"}, 'ETag: "1"'))), "GET", CHROMIUM)
    texts = Parsed(reply.body.decode()).texts

    hashes = {
        tag: base64.b64encode(hashlib.sha256(texts[tag][0].encode()).digest()).decode()
        for tag in ("style", "script")
    }
    assert reply.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["ETag"] is None, "it is that of the JSON"


def test_the_page_is_smaller_than_20_kb_with_sixty_bars(client: Service, described: ScriptedBackend) -> None:
    target = described.will(sends(as_json(200, {"message": "hello"}, PODS["backend"])))
    for _ in range(60):
        client.call(target)

    page = client.call(target, "GET", CHROMIUM).body
    assert page.count(b"<title>") == 61
    assert len(page) < 20_000


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_without_content_is_passed_on(
    client: Service, described: ScriptedBackend, method: str
) -> None:
    for status in (204, 304):
        reply = client.call(described.will(sends(answer(status, b""))), method, CHROMIUM)
        assert (reply.status, reply.body, reply.headers["Vary"]) == (status, b"", "Accept")


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (as_json(400, {"exc": "unknown <limit>"}), 400, ["unknown <limit>", "your query"]),
        (
            as_json(503, {"exc": "busy"}, "Retry-After: 7"),
            503,
            ["busy", "too much load", "Ask again in 7 s."],
        ),
        (as_json(500, {}), 500, ["Internal Server Error", "the backend"]),
        (answer(200, b"no JSON"), 502, ["backend's answer is not JSON", "the backend"]),
    ],
)
def test_an_error_is_a_page_with_its_status_in_words(
    client: Service, described: ScriptedBackend, sent: bytes, status: int, words: list[str]
) -> None:
    reply = client.call(described.will(sends(sent)), "GET", CHROMIUM)
    page = Parsed(reply.body.decode())

    assert reply.status == status
    shown = [text for tag in ("p", "dd") for text in page.texts[tag]]
    assert [word for word in words if word not in shown] == []
    [trace_id] = [text for text in page.texts["code"] if re.fullmatch("[0-9a-f]{32}", text)]
    eventually("a log line", lambda: client.requests(trace_id=trace_id, status=status))
    assert reply.headers["Retry-After"] == ("7" if status == 503 else None)


@pytest.mark.parametrize(
    ("target", "status", "fault"),
    [("/%zz", 400, "your query"), (f"/?{'x' * 60_001}", 414, "your query")],
    ids=["malformed", "long"],
)
def test_what_is_not_passed_on_is_a_page_too(client: Service, target: str, status: int, fault: str) -> None:
    reply = client.call(target, "GET", CHROMIUM)

    assert reply.status == status
    assert fault in Parsed(reply.body.decode()).texts["dd"]
    assert len(reply.body) < 30_000


def test_a_slow_backend_is_not_asked_for_its_description_as_well(
    client: Service, described: ScriptedBackend
) -> None:
    target, asked = described.will(hangs_after(b"")), len(described.requests[b""])
    reply = client.call(f"{target}&a=1", "GET", CHROMIUM)

    assert (reply.status, len(described.requests[b""])) == (504, asked)
    page = Parsed(reply.body.decode())
    assert page.find("input", name="page.name", value="a")
    assert page.find("input", name="page.value", value="1")


def test_too_many_requests_in_flight_are_a_page_and_so_is_it_until_it_is_sent(
    start: Start, described: ScriptedBackend
) -> None:
    client = start("client", URL=f"127.0.0.1:{described.port}", MAX_IN_FLIGHT="1")
    for _ in range(3):
        assert client.call(described.will(sends(HELLO)), "GET", CHROMIUM).status == 200
    target = described.will(hangs_after(b""))

    with connect(client.port, request(target)):
        described.await_requests(target, 1)
        reply = client.call("/", "GET", CHROMIUM)

    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert "too much load" in Parsed(reply.body.decode()).texts["dd"]


def test_the_form_is_described_and_filled(client: Service, described: ScriptedBackend) -> None:
    target = described.will(sends(HELLO))
    page = Parsed(client.call(f"{target}&limit=5&mode=slow&x=1", "GET", CHROMIUM).body.decode())

    assert page.find("input", name="limit", type="number", value="5", min="1", max="100", step="1")
    assert page.find("textarea", name="prompt", maxlength="4000")
    assert page.texts["option"] == ["", "fast", "slow"]
    assert page.find("option", selected="")
    assert page.find("input", name="page.value", value="1")
    assert page.find("a", href="/orders")
    assert not page.find("a", href="/orders/{key}")


def test_what_the_form_sends_leads_to_a_url_that_can_be_shared(
    client: Service, described: ScriptedBackend
) -> None:
    target = "/?page.path=/orders&limit=5&mode=&page.name=a&page.value=1&page.name=&page.value="
    reply = client.call(target, "GET", CHROMIUM)

    assert (reply.status, reply.headers["Location"]) == (303, "/orders?limit=5&a=1")
    assert reply.headers["Vary"] == "Accept"
    case = described.will(sends(HELLO))
    assert client.call(f"{case}&page.path=/orders").status == 200, "programs may have parameters of that name"


def test_a_backend_that_does_not_describe_itself_at_once_has_a_free_form(start: Start) -> None:
    with serving() as undescribed:
        undescribed.behaviours[b""] = (hangs_after(b""), sends(as_json(404, {})), sends(as_json(200, {})))
        client = start("client", URL=f"127.0.0.1:{undescribed.port}")
        for number in range(1, 4):
            reply = client.call(f"{undescribed.will(sends(HELLO))}&x=1", "GET", CHROMIUM)
            assert reply.seconds < PATIENCE / 4
            assert Parsed(reply.body.decode()).find("input", name="page.name", value="x")
            assert len(undescribed.requests[b""]) == number


def test_the_log_tells_of_the_answer_and_not_of_the_description(
    client: Service, described: ScriptedBackend
) -> None:
    target = described.will(sends(as_json(200, {"message": "hi"}, "X-Served-By: backend-logged")))
    client.call(target, "GET", CHROMIUM)

    eventually("a log line", lambda: client.requests(call="ok", backend="backend-logged", tries=1))


def test_pods_are_named_on_the_page_only(client: Service, described: ScriptedBackend) -> None:
    target = described.will(sends(as_json(200, {"message": "hi"}, PODS["backend"])))
    reply, page = client.call(target), client.call(target, "GET", CHROMIUM).body.decode()

    for name in ("client-5d9c7f-x2kqp", "kind-worker", "backend-7c44d-9wzrt", "kind-worker2"):
        assert name in page
        assert name not in f"{reply.headers}{reply.body!r}"


def test_nobody_sees_what_others_asked(client: Service, described: ScriptedBackend) -> None:
    secret = described.will(sends(as_json(400, {"exc": "unknown hunter2"}, "X-Served-By: backend-1")))
    for accept in (CHROMIUM, "Accept: */*"):
        client.call(f"{secret}&password=hunter2", "GET", accept)

    page = client.call(described.will(sends(HELLO)), "GET", CHROMIUM).body
    assert b", 400, backend-1</title>" in page
    assert b"hunter2" not in page
    assert b"password" not in page


def test_without_the_page_browsers_get_json(plain: Service, described: ScriptedBackend) -> None:
    reply = plain.call(
        described.will(sends(as_json(200, {"message": "hi"}, PODS["backend"]))), "GET", CHROMIUM
    )

    assert reply.answer == (200, {"message": "hi", "status_code": 200, "source": "client"})
    assert (reply.headers["Vary"], reply.headers["X-Served-By"]) == (None, None)


@pytest.mark.parametrize("room", [100_000, 10])
def test_a_page_is_counted_until_it_is_sent_and_json_where_it_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(BUFFERED, "limit", BUFFERED.held + room)
    before, sent = BUFFERED.held, b'{"message":"hi"}'
    begun: list[Any] = []
    PAGE.latest.answers.append((0.0, 0.1, "200 OK", ""))

    headers = [("Content-Type", "application/json")]
    answer = with_page(PAGE, environ(), [sent], "200 OK", headers, 0.1, lambda *args: begun.append(args))  # type: ignore[arg-type]

    [body] = answer
    if room > 10:
        assert body.startswith(b"<!doctype html>")
        assert BUFFERED.held == before + len(body)
    else:
        assert (body, begun) == (sent, [("200 OK", headers)])
        assert BUFFERED.held == before
    answer.close()  # type: ignore[attr-defined]
    assert BUFFERED.held == before
