"""What `make bench-cluster` measured, as tables in Markdown."""

import statistics
from collections.abc import Iterator
from typing import Any

from bench.markdown import Target, machine_table, spread, table, target_table
from tests.e2e.cluster import SERVICES

CPU_LIMIT = "200m"
MIB = 2**20
# Cores that are busy for this share of the time count as full. They do not get much further: Pods
# at their limit wait for each other's next period while the cores idle.
FULL = 0.85


def tables(figures: dict[str, Any]) -> str:
    """Return the report in Markdown."""
    header = [f"Pods of each, {CPU_LIMIT} CPU", "requests/s", "a pair ÷ the first", "p99 in ms", "errors"]
    lines = ["Medians; in brackets the lowest and the highest.", "", *target_table(targets(figures)), ""]
    lines += table(
        [*header, "this machine's cores busy"],
        (
            [
                str(number),
                spread((row["requests/s"] for row in rows), 0),
                f"{share:.2f}",
                spread((row["p99"] for row in rows), 0),
                str(sum(row["errors"] for row in rows)),
                f"{100 * statistics.median(row['busy'] for row in rows):.0f} %",
            ]
            for number, rows, share in by_pairs(figures["pairs"])
        ),
    )
    return "\n".join([*lines, "", *machine_table(figures["machine"])]) + "\n"


def by_pairs(rows: list[dict[str, float]]) -> Iterator[tuple[int, list[dict[str, float]], float]]:
    """Yield each number of pairs, its rows, and one pair's throughput as a share of the first one's."""
    first = statistics.median(row["requests/s"] for row in rows if row["pairs"] == 1)
    for number in sorted({int(row["pairs"]) for row in rows}):
        matching = [row for row in rows if row["pairs"] == number]
        yield number, matching, statistics.median(row["requests/s"] for row in matching) / number / first


def targets(figures: dict[str, Any]) -> Iterator[Target]:
    for app in SERVICES:
        seconds = figures["ready"][app]
        yield f"{app}: Pod created to Ready ≤ 3 s", f"{spread(seconds, 2)} s", statistics.median(seconds) <= 3
    for app in SERVICES:
        for when, sizes in figures["memory"][app].items():
            most = max(sizes) / MIB
            yield f"{app}: working set {when} ≤ 64 MiB", f"{most:.0f} MiB at most", most <= 64
    for number, rows, share in by_pairs(figures["pairs"]):
        busy = statistics.median(row["busy"] for row in rows)
        if number > 1 and busy < FULL:
            yield f"{number} Pods of each: a pair ≥ 0.9 of the first", f"{share:.2f}", share >= 0.9
    for app in SERVICES:
        seconds = figures["edits"][app]
        yield f"{app}: edit to live ≤ 1 s", f"{spread(seconds, 2)} s", statistics.median(seconds) <= 1
