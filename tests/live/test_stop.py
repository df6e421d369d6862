"""How a service stops: requests in flight are finished, and idle connections cause no delay."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common.serving.stopping import HOLD
from tests.calls import STOP_MARGIN, connect, eventually, receive, request
from tests.conftest import RecordProperty, Start
from tests.processes import HOST, ROOT, Service, environment, free_port
from tests.scripted_backend import ScriptedBackend, hangs_after, waits_for


def refuses(service: Service) -> bool:
    try:
        connect(service.port).close()
    except ConnectionError:  # refused, or reset where it came at the last moment
        return True
    return False


def test_sigterm_during_a_slow_answer_finishes_it(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    said = threading.Event()
    target = upstream.will(waits_for(said))

    with connect(client.port, request(target)) as caller:
        upstream.await_requests(target, 1)
        client.signal(signal.SIGTERM)
        eventually("no new connections", lambda: refuses(client))
        said.set()
        reply = receive(caller)

    assert reply.answer == (200, {"status_code": 200, "message": "hello", "source": "client"})
    assert reply.headers["Connection"] == "close"
    assert client.ends(within=2 + STOP_MARGIN) == 0


def test_each_worker_finishes_its_requests(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", WORKERS="2")
    eventually("both workers boot", lambda: len(client.workers()) == 2)
    said = threading.Event()
    target = upstream.will(waits_for(said))
    callers = [connect(client.port, request(target)) for _ in range(20)]
    upstream.await_requests(target, 20)

    client.signal(signal.SIGTERM)
    eventually("no new connections", lambda: refuses(client))
    said.set()
    replies = [receive(caller) for caller in callers]
    for caller in callers:
        caller.close()

    assert [reply.status for reply in replies] == [200] * 20
    assert client.ends(within=2 + STOP_MARGIN) == 0


def test_idle_connections_do_not_delay_a_stop(start: Start) -> None:
    backend = start("backend")
    with connect(backend.port), connect(backend.port, b"GET / HT"), connect(backend.port) as used:
        used.sendall(request("/healthz"))
        assert receive(used).status == 200, "the connections before it were accepted, too"
        backend.signal(signal.SIGTERM)

        assert backend.ends(within=2 + STOP_MARGIN) == 0
    assert "ERROR" not in backend.log


def test_a_connection_whose_answer_was_under_way_does_not_delay_a_stop(start: Start) -> None:
    backend = start("backend")
    asks = request("/", "GET", "Content-Length: 1")
    with connect(backend.port, asks) as caller:
        assert receive(caller).headers["Connection"] == "keep-alive"
        backend.signal(signal.SIGTERM)

        assert backend.ends(within=2 + STOP_MARGIN) == 0


def drain(service: Service, seconds_ago: float = 0) -> None:
    """Stop as a Pod does, which set the flag some time ago."""
    flag = service.folder / "draining"
    flag.touch()
    os.utime(flag, (time.time() - seconds_ago,) * 2)
    service.signal(signal.SIGTERM)
    eventually("no new connections", lambda: refuses(service))


def test_a_draining_service_keeps_idle_connections_until_their_callers_were_told(start: Start) -> None:
    backend = start("backend")
    with connect(backend.port) as idle, connect(backend.port, request("/")) as used:
        assert receive(used).headers["Connection"] == "keep-alive"
        drain(backend)

        for caller in (idle, used):
            assert backend.process.poll() is None, "expected it to wait for its callers"
            caller.sendall(request("/"))
            reply = receive(caller)
            assert (reply.status, reply.headers["Connection"]) == (200, "close")
    assert backend.ends(within=2 + STOP_MARGIN) == 0


def test_a_draining_service_ends_once_its_callers_have_left(start: Start) -> None:
    backend = start("backend")
    with connect(backend.port, request("/")) as caller:
        assert receive(caller).status == 200
        drain(backend)
    assert backend.ends(within=2 + STOP_MARGIN) == 0


def test_a_draining_service_does_not_keep_idle_connections_for_ever(start: Start) -> None:
    backend = start("backend")
    with connect(backend.port, request("/")) as caller:
        assert receive(caller).status == 200
        drain(backend, seconds_ago=HOLD)

        assert backend.ends(within=2 + STOP_MARGIN) == 0


def test_ctrl_c_does_not_wait_for_answers(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    target = upstream.will(hangs_after(b""))

    with connect(client.port, request(target)):
        upstream.await_requests(target, 1)
        client.signal(signal.SIGINT)

        assert client.ends(within=2 + STOP_MARGIN) == 0


@pytest.mark.full
def test_sigterm_is_heeded_at_every_moment_of_the_start(
    tmp_path: Path, record_property: RecordProperty
) -> None:
    moments = range(60)
    for moment in moments:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend"],
            cwd=ROOT,
            env=environment(tmp_path, {"HOST": HOST, "PORT": str(free_port())}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moment / 40)
        process.terminate()
        # Until Python has got to the code here, the signal ends it.
        assert process.wait(timeout=2 + STOP_MARGIN) in (0, -signal.SIGTERM), moment
    record_property("sent", len(moments))


def test_sigterm_is_heeded_while_a_worker_boots(start: Start) -> None:
    backend = start("backend")

    os.kill(backend.workers()[0], signal.SIGKILL)
    eventually("the next worker boots", lambda: len(backend.workers()) == 2)
    backend.signal(signal.SIGTERM)

    assert backend.ends(within=2 + STOP_MARGIN) == 0
