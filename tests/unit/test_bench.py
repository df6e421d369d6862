"""What the benchmarks compute."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from bench import open_loop
from bench.cpu import TICKS_PER_SECOND, cpu_seconds, parse_stat
from bench.markdown import spread
from bench.rows import backend_cpu, by_connections, client_cpu, cpu_for_10_000, ratios, throughput
from bench.targets import targets
from bench.throughput_caller import percentile


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [
        (1, 50, 1),
        (1, 99.9, 1),
        (2, 50, 1),
        (100, 99, 99),
        (101, 99, 100),
        (1000, 99.9, 999),
        (3000, 99.9, 2997),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(count: int, percent: float, expected: int) -> None:
    assert percentile([float(n) for n in range(count, 0, -1)], percent) == expected


def test_spread_shows_median_lowest_and_highest() -> None:
    assert spread([1250.0, 1000.0, 2000.04], 1) == "1,250.0 (1,000.0–2,000.0)"  # noqa: RUF001


def test_ratios_compare_within_a_round_and_a_number_of_connections() -> None:
    rows = [
        {"peer": peer, "connections": connections, "requests": requests, "seconds": 1}
        for peer, connections, requests in [
            ("e: other", 256, 1),
            ("e: other", 16, 10),
            ("this pair", 16, 20),
            ("this pair", 256, 3),
            ("this pair", 16, 30),
            ("e: other", 16, 60),
        ]
    ]
    grouped = by_connections(rows)
    assert [*grouped] == [16, 256]
    assert [*grouped[16]] == ["this pair", "e: other"]
    assert ratios(grouped[16], throughput, "e: other") == [2.0, 0.5]
    assert ratios(grouped[256], throughput, "e: other") == [3.0]


def test_a_peer_that_answered_nothing_still_has_a_ratio() -> None:
    rows = [{"peer": "this pair", "requests": 0, "seconds": 1}]
    assert ratios({"this pair": rows}, throughput, "this pair") == [1.0]


def stat(parent: int, *ticks: int, name: str = "python") -> str:
    """A line of /proc/<pid>/stat with utime, stime, cutime and cstime."""
    return f"1 ({name}) S {parent} 1 1 0 -1 4194560 979 0 1 0 {' '.join(map(str, ticks))} 20 0 1 0 150075\n"


@pytest.mark.parametrize("name", ["python", "a (b) c", ") S 7 ("])
def test_cpu_time_is_read_whatever_the_name_of_the_process(name: str) -> None:
    assert parse_stat(stat(42, 1, 20, 300, 4000, name=name)) == (42, 4321)


def test_cpu_time_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    processes = {
        10: stat(1, 100, 0, 0, 0),  # the client's first process
        11: stat(10, 200, 30, 4, 0),
        12: stat(11, 1000, 0, 0, 0),
        20: stat(1, 7, 0, 0, 0),  # the backend's only one
        30: stat(1, 5000, 0, 0, 0),  # somebody else's
    }
    for pid, text in processes.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(text)
    client, backend = cpu_seconds(10, 20, proc=tmp_path)
    assert (client * TICKS_PER_SECOND, backend * TICKS_PER_SECOND) == pytest.approx((1334, 7))
    with pytest.raises(SystemExit, match="99"):
        cpu_seconds(99, proc=tmp_path)


def test_cpu_time_is_what_the_process_itself_reads() -> None:
    before = sum(os.times()[:4])
    parent, ticks = parse_stat(Path("/proc/self/stat").read_text())
    assert parent == os.getppid()
    assert before - 0.05 <= ticks / TICKS_PER_SECOND <= sum(os.times()[:4]) + 0.05


def test_cpu_time_for_a_request() -> None:
    row = {"requests": 2000, "client cpu": 0.8, "backend cpu": 0.6}
    quantities = client_cpu(row), backend_cpu(row), cpu_for_10_000(row)
    assert quantities == pytest.approx((400, 300, 7))


def test_the_open_loop_does_not_wait_for_answers_and_counts_from_when_a_request_was_due() -> None:
    requests = 20
    due = [number / 100 for number in range(requests)]
    stalled = 0.5
    statuses = iter([b"503 Busy", b"", *[b"200 OK"] * (requests - 2)])
    arrived = 0
    all_arrived = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n")
        arrived += 1
        if arrived == 1:
            time.sleep(stalled)  # noqa: ASYNC251  # the caller, too: all requests but the first are sent late
        if arrived == requests:
            all_arrived.set()
        await all_arrived.wait()
        if status := next(statuses):
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        writer.close()

    async def measured() -> dict[str, float]:
        async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            return await open_loop.measure(host, port, rate=100, seconds=requests / 100)

    figures = asyncio.run(measured())
    assert (figures["requests"], figures["errors"]) == (requests, 2)
    assert figures["p50"] >= 1000 * (stalled - due[-1])
    assert figures["sent late p99"] >= 1000 * (stalled - due[-1])


def test_the_open_loop_keeps_connections_as_long_as_the_service_does() -> None:
    # What the service sends on each connection before it closes it.
    script = [["200 OK", "503 Busy", "200 OK"], ["200 OK\r\nConnection: close"], []]
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for answer in script[connections - 1]:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            pool = open_loop.Pool(*server.sockets[0].getsockname())
            assert [await pool.request() for _ in range(3)] == [True, False, True]
            assert connections == 1
            assert await pool.idle[0][0].read() == b""  # once the service has closed it
            assert await pool.request()
            assert (connections, pool.idle) == (2, [])
            with pytest.raises((OSError, EOFError)):
                await pool.request()
            assert (connections, pool.idle) == (3, [])

    asyncio.run(scenario())


def test_targets_compare_with_the_peer_that_they_name() -> None:
    measured = {  # requests in a second, and CPU seconds of client and backend
        "this pair": (1000, 0.4, 0.30),
        "this pair at abc": (900, 0.5, 0.25),
        "a: slow": (240, 0.9, 0.9),
        "e: fast": (1000, 0.41, 0.28),
        "f: nginx": (2000, 0.1, 0.1),
    }
    rows = [
        {"peer": peer, "connections": connections, "requests": requests, "seconds": 1}
        | {"client cpu": client, "backend cpu": backend}
        for peer, (requests, client, backend) in reversed(measured.items())
        for connections in (16, 256)
    ]
    assert [*by_connections(rows)[16]] == [*measured]
    figures = {"closed loop": rows, "slow backend": [], "starts": {}}
    found = {aim.replace("\u00d7", "x"): (value, met) for aim, value, met in targets(figures)}
    assert {aim: found[aim] for aim in found if "16" in aim} == {
        "requests/s ≥ 4.5 x a: slow, 16 connections": ("4.167", False),
        "requests/s ≥ 0.95 x e: fast, 16 connections": ("1.000", True),
        "goal: requests/s ≥ 1 x e: fast, 16 connections": ("1.000", True),
        "moonshot: requests/s ≥ 1.2 x e: fast, 16 connections": ("1.000", False),
        "CPU time of the client ≤ 1 x e: fast, 16 connections": ("0.976", True),
        "goal: CPU time of client and backend ≤ 1 x e: fast, 16 connections": ("1.014", False),
        "CPU time of the client ≤ 1.03 x this pair at abc, 16 connections": ("0.720", True),
        "CPU time of the backend ≤ 1.03 x this pair at abc, 16 connections": ("1.080", False),
    }
    assert found["requests/s ≥ 4 x a: slow, 256 connections"] == ("4.167", True)
    assert len(found) == 16
