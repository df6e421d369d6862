"""A backend that cannot be reached: a 502 once the time to connect is over."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from tests.calls import PATIENCE, Reply, connect, error, eventually
from tests.conftest import Start
from tests.processes import Service, free_port, running
from tests.scripted_backend import HELLO, ScriptedBackend, read_head

URLS = {
    "refused": "127.0.0.1:{free}",
    "unresolvable": "backend.invalid",
    "connecting hangs": "127.0.0.1:{full}",
    "TLS hangs": "https://127.0.0.1:{silent}",
    "no TLS": "https://127.0.0.1:{plain}",
}


@pytest.fixture(scope="module")
def clients(upstream: ScriptedBackend) -> Iterator[dict[str, Service]]:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        ports = {
            "free": free_port(),
            "full": full.getsockname()[1],
            "silent": silent.getsockname()[1],
            "plain": upstream.port,
        }
        stack.enter_context(connect(ports["full"]))  # fills the backlog: further SYNs are dropped
        it = {
            how: stack.enter_context(running("client", URL=url.format(**ports), ANSWER_TIMEOUT="1"))
            for how, url in URLS.items()
        }
        yield it
        assert not [how for how, client in it.items() if "Traceback" in client.log]


@pytest.fixture(scope="module")
def replies(clients: dict[str, Service]) -> dict[str, Reply]:
    """All of them wait at the same time, since each takes the whole limit."""
    calls = {how: partial(client.call, "/") for how, client in clients.items()}
    calls["no description"] = partial(clients["refused"].call, "/openapi.json")
    with ThreadPoolExecutor(len(calls)) as threads:
        replies = {how: threads.submit(call) for how, call in calls.items()}
    return {how: reply.result() for how, reply in replies.items()}


@pytest.mark.parametrize("how", [*URLS, "no description"])
def test_an_unreachable_backend_is_a_502_within_3_s(replies: dict[str, Reply], how: str) -> None:
    assert replies[how].answer == error(502, "backend unreachable")
    assert replies[how].seconds < 3 + 5, "expected within the limit and a margin for busy cores"


@pytest.mark.parametrize("how", ["refused", "connecting hangs"])
def test_an_unreachable_backend_is_tried_again_for_a_while(replies: dict[str, Reply], how: str) -> None:
    assert replies[how].seconds > 2


def listens(listener: socket.socket) -> bool:
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def test_a_backend_that_comes_up_in_time_is_reached(start: Start) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # without listen() the system refuses connections
        client = start("client", URL=f"127.0.0.1:{listener.getsockname()[1]}")
        listener.settimeout(PATIENCE)

        with ThreadPoolExecutor(2) as threads:
            replies = [threads.submit(client.call, "/", method) for method in ("GET", "POST")]
            threading.Timer(0.7, listener.listen).start()
            eventually("the backend listens", lambda: listens(listener))
            for _ in replies:
                connection, _ = listener.accept()
                with connection:
                    read_head(connection)
                    connection.sendall(HELLO)
            assert [reply.result().status for reply in replies] == [200, 200]


def test_health_and_but_for_the_first_seconds_readiness_do_not_depend_on_the_backend(
    clients: dict[str, Service],
) -> None:
    client = clients["refused"]
    eventually("it is ready", lambda: client.call("/readyz").status == 200)
    for probe, message in (("/healthz", "healthy"), ("/readyz", "ready")):
        assert client.call(probe).answer == (
            200,
            {"status_code": 200, "message": message, "source": "client"},
        )


def test_no_answer_names_where_the_backend_is(replies: dict[str, Reply]) -> None:
    assert not [reply.body for reply in replies.values() if b"127.0.0.1" in reply.body]
