"""Streams through both services: in time, without loss, and within bounds."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.calls import LEFT_MARGIN, LEFT_WITHIN, connect, error, eventually, request
from tests.event_streams import ACCEPT, reading
from tests.processes import ROOT, Service, running

LOGIC = '''
import time
from pathlib import Path


def by_hand(query):
    """Yield the next number once a file has its name, and the last one at once."""
    folder = Path(query["folder"])
    print(f"begun {folder}", flush=True)
    try:
        for number in range(int(query["to"])):
            yield {"number": number}
            while not (folder / str(number)).exists():
                time.sleep(0.01)
        yield {"message": "done"}
    finally:
        print(f"closed {folder}", flush=True)


def by_the_clock(query):
    for _ in range(int(query["to"])):
        yield {}
        time.sleep(float(query["every"]))
    yield {}


def endless(query):
    """Yield a hundred thousand bytes, again and again."""
    try:
        while True:
            print("yields", flush=True)
            yield {"x": "x" * 100_000}
            time.sleep(0)
    finally:
        print("closed", flush=True)
'''
DONE = {"status_code": 200, "message": "done", "source": "client"}


@contextmanager
def streaming(folder: Path, logic: str, **settings: str) -> Iterator[tuple[Service, Service]]:
    """Run a backend with a logic, and a client of it."""
    (folder / "ours.py").write_text(LOGIC)
    with (
        running("backend", ROOT, LOGIC=f"ours:{logic}", PYTHONPATH=str(folder), **settings) as backend,
        running("client", ROOT, URL=f"127.0.0.1:{backend.port}", **settings) as client,
    ):
        yield backend, client


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """A backend that streams by hand and its client, which the tests leave running."""
    with streaming(tmp_path_factory.mktemp("code"), "by_hand", MAX_IN_FLIGHT="1") as both:
        yield both


def room(service: Service) -> bool:
    """Return whether nothing is in flight; without a folder, the answer is a 400."""
    return service.call("/").status == 400


def test_each_event_arrives_before_the_logic_goes_on(pair: tuple[Service, Service], tmp_path: Path) -> None:
    backend, client = pair
    target = f"/?to=3&folder={tmp_path}"

    with reading(client.port, target) as (_, events):
        for number in range(3):
            assert next(events) == ("", {"number": number})
            for service in pair:
                refusal = error(503, "more than 1 requests in flight", service.name)
                assert service.call("/").answer == refusal, "expected a stream to be in flight until its end"
            (tmp_path / str(number)).touch()
        assert list(events) == [("end", DONE)]

    eventually("room again", lambda: room(client))
    assert client.call(target).answer == (200, DONE), "expected JSON where events are not asked for"
    assert backend.log.count(f'"closed {tmp_path}"') == 2


@pytest.mark.parametrize("headers", [[], [ACCEPT]], ids=["JSON", "events"])
def test_a_logic_ends_within_half_a_second_of_its_callers_hang_up(
    pair: tuple[Service, Service], tmp_path: Path, headers: list[str]
) -> None:
    backend, client = pair
    eventually("room", lambda: room(client))

    with connect(client.port, request(f"/?to=1&folder={tmp_path}", "GET", *headers)) as caller:
        if headers:
            assert caller.recv(1)
        else:
            eventually("the logic is called", lambda: f'"begun {tmp_path}"' in backend.log)
            caller.settimeout(0.5)
            with pytest.raises(TimeoutError):
                caller.recv(1)
    left = monotonic()
    eventually("the logic is closed", lambda: f'"closed {tmp_path}"' in backend.log)
    assert monotonic() - left < LEFT_WITHIN + LEFT_MARGIN


def test_a_backend_that_is_killed_ends_its_streams_with_failed(
    pair: tuple[Service, Service], tmp_path: Path
) -> None:
    backend, client = pair
    eventually("room", lambda: room(client))

    with reading(client.port, f"/?to=1&folder={tmp_path}") as (response, events):
        assert next(events) == ("", {"number": 0})
        os.kill(backend.workers()[-1], signal.SIGKILL)
        assert list(events) == [("failed", error(502, "backend broke off its answer")[1])]
        assert response.isclosed(), "expected the last chunk"


def test_a_stream_that_began_before_a_stop_ends_complete(tmp_path: Path) -> None:
    with (
        streaming(tmp_path, "by_hand") as both,
        reading(both[1].port, f"/?to=1&folder={tmp_path}") as (_, events),
    ):
        assert next(events) == ("", {"number": 0})
        for service in both:
            service.signal(signal.SIGTERM)
            eventually("no new connections", lambda: not service.answers())  # noqa: B023
        (tmp_path / "0").touch()
        assert list(events) == [("end", DONE)]
        assert [service.ends() for service in both] == [0, 0]


def unread(port: int) -> int:
    """Return how many bytes from a port the system holds for who is connected to it (man 5 proc_net)."""
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(each[4].partition(":")[2], 16) for each in connections if each[2].endswith(f":{port:04X}"))


def test_a_caller_who_stops_reading_stops_the_logic_and_is_left_in_the_end(tmp_path: Path) -> None:
    most = 0

    def is_closed() -> bool:
        nonlocal most
        most = max(most, unread(backend.port))
        return '"closed"' in backend.log

    with (
        streaming(tmp_path, "endless", ANSWER_TIMEOUT="2") as (backend, client),
        connect(client.port, request("/", "GET", ACCEPT)) as caller,
    ):
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        for _ in range(200):  # so much that the system would by itself hold megabytes next
            assert caller.recv(100_000, socket.MSG_WAITALL)
        before = backend.log.count('"yields"')
        eventually("the logic is closed", is_closed)
        assert backend.log.count('"yields"') - before < 20, "expected what fits the buffers"
        assert 0 < most < 300_000


STREAMS, EVENTS = 200, 60


async def time_to_first_event(port: int) -> float:
    """Read a whole stream; return how long its first event took (seconds)."""
    asked = monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(f"/?every=0.4&to={EVENTS - 1}", "GET", ACCEPT, "Connection: close"))
    await reader.readuntil(b"data: ")
    took = monotonic() - asked
    rest = await reader.read()
    writer.close()
    assert rest.count(b"data: ") == EVENTS - 1
    assert b"event: end" in rest
    assert rest.endswith(b"0\r\n\r\n")
    return took


async def p99_of_first_events(port: int) -> float:
    """Return the 99th percentile of many streams at once (seconds)."""
    took = await asyncio.gather(*(time_to_first_event(port) for _ in range(STREAMS)))
    return sorted(took)[len(took) * 99 // 100]


@pytest.mark.full
def test_200_streams_of_60_events_at_once_fit_into_a_process(tmp_path: Path) -> None:
    with streaming(tmp_path, "by_the_clock", ACCESS_LOG="false") as (backend, client):
        directly = asyncio.run(p99_of_first_events(backend.port))
        through_both = asyncio.run(p99_of_first_events(client.port))
        mib = {service.name: service.peak_mib() for service in (backend, client)}

    print(f"\nfirst event, p99: {directly:.3f} s directly, {through_both:.3f} s through both; MiB: {mib}")
    assert through_both - directly <= 0.25
    assert max(mib.values()) < 96


@pytest.mark.full
def test_200_callers_who_do_not_read_fit_into_a_process(tmp_path: Path) -> None:
    with (
        streaming(tmp_path, "endless", ACCESS_LOG="false", ANSWER_TIMEOUT="10") as both,
        ExitStack() as stack,
    ):
        backend, client = both
        for _ in range(STREAMS):
            caller = stack.enter_context(socket.socket())
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.connect(("127.0.0.1", client.port))
            caller.sendall(request("/", "GET", ACCEPT))
        eventually("the first ones are left", lambda: "closed" in backend.log)
        assert client.call("/healthz").status == 200
        mib = {service.name: service.peak_mib() for service in both}

    print(f"\nMiB: {mib}")
    assert max(mib.values()) < 160  # a Pod's limit is 192 MiB
