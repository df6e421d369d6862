"""How a service stops: requests in flight are finished, and idle connections cause no delay."""

import os
import signal
import threading

from tests.calls import connect, eventually, receive, request
from tests.conftest import Start
from tests.processes import Service
from tests.scripted_backend import ScriptedBackend, hangs_after, waits_for

MARGIN = 2.0  # for busy cores (seconds)


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
    assert client.ends(within=2 + MARGIN) == 0


def test_each_worker_finishes_its_requests(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", WORKERS="2")
    assert len(client.workers()) == 2
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
    assert client.ends(within=2 + MARGIN) == 0


def test_idle_connections_do_not_delay_a_stop(start: Start) -> None:
    backend = start("backend")
    with connect(backend.port), connect(backend.port, b"GET / HT"), connect(backend.port) as used:
        used.sendall(request("/healthz"))
        assert receive(used).status == 200, "the connections before it were accepted, too"
        backend.signal(signal.SIGTERM)

        assert backend.ends(within=2 + MARGIN) == 0
    assert "ERROR" not in backend.log


def test_ctrl_c_does_not_wait_for_answers(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    target = upstream.will(hangs_after(b""))

    with connect(client.port, request(target)):
        upstream.await_requests(target, 1)
        client.signal(signal.SIGINT)

        assert client.ends(within=2 + MARGIN) == 0


def test_sigterm_is_heeded_while_a_worker_boots(start: Start) -> None:
    backend = start("backend")

    os.kill(backend.workers()[0], signal.SIGKILL)
    eventually("the next worker boots", lambda: len(backend.workers()) == 2)
    backend.signal(signal.SIGTERM)

    assert backend.ends(within=2 + MARGIN) == 0
