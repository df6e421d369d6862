"""What the benchmarks compute."""

import pytest

from bench.markdown import spread
from bench.rows import by_connections, ratios, throughput
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
