"""What the benchmarks compute."""

import os
from pathlib import Path

import pytest

from bench.cpu import TICKS_PER_SECOND, cpu_seconds, parse_stat
from bench.markdown import spread
from bench.rows import backend_cpu, by_connections, client_cpu, cpu_for_10_000, ratios, throughput
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
        {"peer": peer, "connections": connections, "requests": requests, "duration": 1e6}
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
    rows = [{"peer": "this pair", "requests": 0, "duration": 1e6}]
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
