"""What the log shows, and what happens when nobody reads it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.calls import STOP_MARGIN, connect, eventually, receive, request
from tests.conftest import Start
from tests.processes import HOST, ROOT, Service, environment, free_port

# Together more than a pipe holds.
LINES, LONG = 2000, "x" * 1000


@pytest.fixture(params=["backend", pytest.param("client", marks=pytest.mark.full)])  # the code is the same
def unread(request: pytest.FixtureRequest, tmp_path: Path, backend: Service) -> Iterator[Service]:
    """A service whose standard output and error are pipes that nobody reads."""
    port = free_port()
    settings = {"HOST": HOST, "PORT": str(port), "URL": f"{HOST}:{backend.port}"}
    with subprocess.Popen(
        [sys.executable, "-m", request.param],
        cwd=ROOT,
        env=environment(tmp_path, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        service = Service(request.param, HOST, port, process, tmp_path)
        try:
            eventually("it answers", service.answers)
            yield service
        finally:
            process.kill()


def call_often(service: Service) -> None:
    """Send requests that are each logged with a long line."""
    with connect(service.port) as caller:
        for _ in range(LINES):
            caller.sendall(request(f"/nothing/{LONG}"))
            assert receive(caller).status in (404, 503)  # a busy machine may make it late


def test_a_log_that_nobody_reads_stops_nothing(unread: Service) -> None:
    call_often(unread)
    assert unread.call("/healthz").status == 200

    unread.signal(signal.SIGHUP)  # the master logs, too
    eventually("it answers", unread.answers)
    unread.signal(signal.SIGTERM)

    assert unread.process.wait(timeout=2 + STOP_MARGIN) == 0


def test_the_number_of_dropped_lines_is_logged_once_somebody_reads(unread: Service) -> None:
    call_often(unread)
    stdout = unread.process.stdout
    assert stdout
    os.set_blocking(stdout.fileno(), False)
    log = stdout.read()

    unread.call("/nothing?again=1")

    def is_logged() -> bool:
        nonlocal log
        log += stdout.read() or b""
        return b'"parameters":["again"]' in log

    eventually("it is logged", is_logged)
    assert re.search(rb'"[1-9]\d* log lines dropped: nobody read them"}\n', log)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Jörg".encode(), "Jörg"),
        ("J\u00f6rg".encode("latin-1"), "J\\xf6rg"),
        (b"a\x85b", "a\\x85b"),
        ("a\u0085b\u2028c".encode(), "a\u0085b\u2028c"),
        (b"a\x9b31mb", "a\\x9b31mb"),
        (b'a"b\\', 'a"b\\'),
        (b"a" * 600, "a" * 499 + "…"),
    ],
)
def test_any_header_is_a_json_string_of_printable_ascii(backend: Service, sent: bytes, shown: str) -> None:
    logged = len(backend.log)

    with connect(backend.port, b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: " + sent + b"\r\n\r\n") as caller:
        assert receive(caller).status == 200

    eventually("it is logged", lambda: backend.log[logged:].endswith("\n"))
    [line] = backend.log[logged:].splitlines()
    assert json.loads(line)["user_agent"] == shown
    assert line.isascii()
    assert line.isprintable()


def test_a_request_is_one_line_with_what_people_look_for(start: Start, backend: Service) -> None:
    client = start("client", URL=f"{HOST}:{backend.port}", OTEL_RESOURCE_ATTRIBUTES="k8s.pod.name=client-1")

    client.call("/?name=Ada&age=36&secret", "GET", "User-Agent: me")

    eventually("it is logged", client.requests)
    [line] = client.requests()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 < line.pop("call_ms") <= line.pop("ms") + 0.1
    [theirs] = backend.requests(trace_id=line.pop("trace_id"))
    assert theirs["user_agent"] == "client"
    assert line == {
        "level": "INFO", "service": "client", "pod": "client-1", "method": "GET", "path": "/", "route": "/",
        "parameters": ["name", "age"], "query_bytes": 22, "status": 200, "bytes": 62, "caller": HOST,
        "user_agent": "me", "call": "ok", "tries": 1, "backend": theirs["pod"],
    }  # fmt: skip


def test_a_call_that_fails_is_logged_with_its_outcome_and_the_trace_id_that_the_caller_gets(
    start: Start,
) -> None:
    client = start("client", URL=f"{HOST}:1")

    reply = client.call("/orders/7", "POST")

    trace_id = json.loads(reply.body)["trace_id"]
    eventually("it is logged", lambda: client.requests(trace_id=trace_id))
    [line] = client.requests(trace_id=trace_id)
    expected = {
        "status": 502,
        "route": "/<path:_>",
        "path": "/orders/7",
        "call": "unreachable",
        "backend": "",
    }
    assert expected.items() <= line.items()
    assert line["tries"] > 1
    [reason] = [each for each in client.lines if each.get("trace_id") == trace_id and "message" in each]
    assert (reason["level"], reason["message"].partition(":")[0]) == ("WARNING", "backend unreachable")


def test_what_a_proxy_says_of_a_caller_counts_only_if_the_proxy_is_trusted(
    start: Start, backend: Service
) -> None:
    behind = start("backend", TRUSTED_PROXIES="127.0.0.0/8,10.0.0.0/8")
    forwarded = "X-Forwarded-For: 203.0.113.9, 198.51.100.7, 10.1.2.3"

    for service, caller in ((behind, "198.51.100.7"), (backend, HOST)):
        service.call("/?proxied=1", "GET", forwarded)

        eventually("it is logged", partial(service.requests, parameters=["proxied"]))
        assert service.requests(parameters=["proxied"])[-1]["caller"] == caller


LOGIC = """
import sys
import warnings
import gevent

def answer(query):
    kind = query["kind"]
    if kind == "print":
        print("a printed line")
        print("half", end="")
        print(" a line", file=sys.stdout)
    elif kind == "warn":
        warnings.warn("a warning")
    elif kind == "greenlet":
        gevent.spawn(lambda: 1 / 0).join()
    else:
        raise ValueError(f"not allowed: {query['prompt']!r} {query!r}") from KeyError(query["prompt"])
    return {"message": "done"}
"""


@pytest.fixture
def talkative(start: Start, tmp_path: Path) -> Service:
    """A backend whose logic prints, warns and fails as the query says."""
    (tmp_path / "talkative.py").write_text(LOGIC)
    return start("backend", LOGIC="talkative:answer", PYTHONPATH=str(tmp_path))


def test_whatever_is_printed_or_raised_is_a_line_of_json(talkative: Service) -> None:
    for kind in ("print", "warn", "greenlet"):
        assert talkative.call(f"/?kind={kind}").status == 200

    messages = [line.get("message", "") for line in talkative.lines]
    assert {"a printed line", "half a line"} <= set(messages)
    assert any("UserWarning: a warning" in message for message in messages)
    [failed] = [line for line in talkative.lines if "traceback" in line]
    assert "ZeroDivisionError" in failed["traceback"]


def test_neither_a_prompt_nor_a_secret_is_in_the_log(talkative: Service) -> None:
    secret = "Authorization: Bearer hunter2"
    prompt = "kind=fail&prompt=hunter%322%20is%20my%20pass-hunter2&hunter2"
    for target, method in ((f"/?{prompt}", "GET"), (f"/?{prompt}", "POST"), (f"/?{prompt}", "X")):
        talkative.call(target, method, secret)
    for sent in (
        b"GET /?hunter2 HTTP/9\r\n\r\n",
        b"GET //a?hunter2 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhunter2\r\n\r\n",
        b"GET / HTTP/1.1\r\nExpect: hunter2\r\n\r\n",
        b"hunter2 / HTTP/1.1\r\n\r\n",
        b"GET /?hunter2" + b"x" * 200_000,
    ):
        with connect(talkative.port, sent) as caller:
            assert receive(caller).status >= 400

    [failed] = [line for line in talkative.lines if "traceback" in line]
    assert "KeyError: '***" in failed["traceback"]
    assert "ValueError: not allowed: '***" in failed["traceback"]
    assert "hunter" not in talkative.log


def test_a_worker_that_is_killed_is_a_line_of_json(start: Start) -> None:
    backend = start("backend")

    os.kill(backend.workers()[0], signal.SIGKILL)

    eventually("it is logged", lambda: any("SIGKILL" in line.get("message", "") for line in backend.lines))


def test_on_a_terminal_lines_are_text(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    port = free_port()
    settings = {"HOST": HOST, "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-m", "backend"],
        cwd=ROOT,
        env=environment(tmp_path, settings),
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        service = Service("backend", HOST, port, process, tmp_path)
        eventually("it answers", service.answers)
        service.call("/greet?name=Ada")
        log = b""
        while b"/greet" not in log or not log.endswith(b"\n"):
            log += os.read(ours, 10_000)
        process.terminate()
    os.close(ours)

    last = log.decode().splitlines()[-1]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} INFO     GET /greet 404 [\d.]+ ms .*caller=127.0.0.1 .*", last
    )


def test_text_can_be_chosen(start: Start) -> None:
    backend = start("backend", LOG_FORMAT="text")

    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} INFO     backend starts: HOST=", backend.log)


@pytest.mark.parametrize("name", ["backend", pytest.param("client", marks=pytest.mark.full)])
def test_a_locale_other_than_utf_8_changes_nothing(start: Start, backend: Service, name: str) -> None:
    url = f"{HOST}:{backend.port}"
    service = start(name, URL=url, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert service.call("/?name=Jörg", "GET", "User-Agent: Jörg").status == 200
    eventually("it is logged", lambda: service.requests(user_agent="Jörg"))
    assert "Traceback" not in service.log
