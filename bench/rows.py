"""Quantities computed from rows; a row is one measurement of one peer in one round."""

from collections.abc import Callable, Iterable
from typing import Any

from bench.peer import AGAINST, PAIR

Row = dict[str, Any]
Quantity = Callable[[Row], float]


def by_connections(rows: Iterable[Row]) -> dict[int, dict[str, list[Row]]]:
    """Return the rows of each peer, in the order of rounds, for each number of connections."""
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["connections"], []).append(row)
    return {connections: by_peer(grouped[connections]) for connections in sorted(grouped)}


def by_peer(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each peer, in the order of rounds; this pair is the first."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["peer"], []).append(row)

    def position(name: str) -> tuple[bool, bool, str]:
        return name != PAIR, not name.startswith(AGAINST), name

    return {name: grouped[name] for name in sorted(grouped, key=position)}


def ratios(peers: dict[str, list[Row]], quantity: Quantity, name: str) -> list[float]:
    """Return this pair's quantity as a multiple of a peer's, in each round."""
    return [quantity(pair) / quantity(peer) for pair, peer in zip(peers[PAIR], peers[name], strict=True)]


def throughput(row: Row) -> float:
    """Return requests/s; never zero, so that ratios exist."""
    return float(max(1, row["requests"]) / row["seconds"])


def client_cpu(row: Row) -> float:
    """Return the CPU time of the client for a request, in µs."""
    return cpu(row, row["client cpu"])


def backend_cpu(row: Row) -> float:
    """Return the CPU time of the backend for a request, in µs."""
    return cpu(row, row["backend cpu"])


def cpu_for_10_000(row: Row) -> float:
    """Return the CPU time of client and backend for 10,000 requests, in seconds."""
    return cpu(row, row["client cpu"] + row["backend cpu"]) / 100


def cpu(row: Row, seconds: float) -> float:
    """Return the CPU time for a request in µs; never zero, so that ratios exist."""
    return 1e6 * max(0.01, seconds) / max(1, int(row["requests"]))


def p99(row: Row) -> float:
    return float(row["p99"])
