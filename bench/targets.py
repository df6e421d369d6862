"""What the benchmarks are to show, and whether they do."""

import statistics
from collections.abc import Iterator
from typing import Any

from bench.markdown import Target, spread
from bench.rows import by_connections, p99, ratios, throughput

# At least this many times a peer's throughput.
TIMES_THROUGHPUT = {"a": 3.0, "d": 2.0, "e": 0.35}


def targets(figures: dict[str, Any]) -> Iterator[Target]:
    for connections, peers in by_connections(figures["closed loop"]).items():
        at = f"at {connections} connections"
        for name in peers:
            if least := TIMES_THROUGHPUT.get(name[0]):
                ratio = statistics.median(ratios(peers, throughput, name))
                yield f"≥ {least:g} × {name} {at}", f"{ratio:.2f}", ratio >= least  # noqa: RUF001
        pair, d = (statistics.median(map(p99, rows)) for name, rows in peers.items() if name[0] in ("t", "d"))
        yield f"p99 no worse than d's {at}", f"{pair:.1f} ms, d {d:.1f} ms", pair <= d
    yield from slow_backend(figures["slow backend"])
    for service, seconds in figures["starts"].items():
        yield f"{service}: process start to first answer ≤ 1 s", spread(seconds, 2), max(seconds) <= 1


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
