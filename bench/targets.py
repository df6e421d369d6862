"""The benchmarks' targets, and whether they are met."""

import statistics
from collections.abc import Iterator
from typing import Any

from bench.markdown import Target, spread
from bench.peer import AGAINST, PAIR, TRACED
from bench.rows import (
    Quantity,
    Row,
    backend_cpu,
    by_connections,
    client_cpu,
    cpu_for_10_000,
    ratios,
    throughput,
)

# How a peer's name starts, and this pair's least throughput as a multiple of the peer's.
THROUGHPUT = {
    16: (("a:", 4.5, ""), ("e:", 0.95, ""), ("e:", 1.0, "goal: "), ("e:", 1.2, "moonshot: ")),
    256: (("a:", 4.0, ""), ("e:", 0.95, ""), ("e:", 1.0, "goal: "), ("e:", 1.2, "moonshot: ")),
}
# The same for its greatest CPU time, whatever the number of connections.
CPU = (
    ("e:", client_cpu, 1.0, "CPU time of the client"),
    ("e:", cpu_for_10_000, 1.0, "goal: CPU time of client and backend"),
    (AGAINST, client_cpu, 1.03, "CPU time of the client"),
    (AGAINST, backend_cpu, 1.03, "CPU time of the backend"),
)


def targets(figures: dict[str, Any]) -> Iterator[Target]:
    for connections, peers in by_connections(figures["closed loop"]).items():
        for start, least, kind in THROUGHPUT.get(connections, ()):
            for name, ratio in compared(peers, start, throughput):
                aim = f"{kind}requests/s ≥ {least:g} × {name}, {connections} connections"  # noqa: RUF001
                yield aim, f"{ratio:.3f}", ratio >= least
        for start, quantity, most, measured in CPU:
            for name, ratio in compared(peers, start, quantity):
                aim = f"{measured} ≤ {most:g} × {name}, {connections} connections"  # noqa: RUF001
                yield aim, f"{ratio:.3f}", ratio <= most
        if TRACED in peers:
            more = statistics.median(
                client_cpu(traced) - client_cpu(pair)
                for traced, pair in zip(peers[TRACED], peers[PAIR], strict=True)
            )
            aim = f"one request in ten traced: client's CPU time ≤ 70 µs more, {connections} connections"
            yield aim, f"{more:.0f} µs", more <= 70
    if figures["slow backend"]:
        yield from slow_backend(figures["slow backend"])
    for service, seconds in figures["starts"].items():
        yield f"{service}: process start to first answer ≤ 1 s", spread(seconds, 2), max(seconds) <= 1


def compared(peers: dict[str, list[Row]], start: str, quantity: Quantity) -> Iterator[tuple[str, float]]:
    """Yield the names that start so, and the median of this pair's quantity as a multiple of theirs."""
    for name in peers:
        if name.startswith(start):
            yield name, statistics.median(ratios(peers, quantity, name))


def slow_backend(rows: list[dict[str, Any]]) -> Iterator[Target]:
    """Yield the targets for a thousand calls to a backend that takes a second."""
    p99, healthz, slowest = ([row[key] for row in rows] for key in ("p99", "healthz p99", "healthz slowest"))
    errors = sum(row["errors"] for row in rows)
    yield (
        f"backend takes 1 s, {rows[0]['most at the backend']} calls in flight: p99 < 1.5 s",
        f"{spread(p99, 0)} ms, {errors} errors",
        statistics.median(p99) < 1500 and not errors,
    )
    yield (
        "meanwhile the slowest /healthz < 100 ms",
        f"{spread(slowest, 0)} ms, p99 {spread(healthz, 0)} ms",
        statistics.median(slowest) < 100,
    )
