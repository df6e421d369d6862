"""The results as tables, as a plot and as JSON."""

import json
from pathlib import Path
from typing import Any

from bench.markdown import machine_table, spread, table, target_table
from bench.plot import plot
from bench.rows import (
    Quantity,
    Row,
    backend_cpu,
    by_connections,
    by_peer,
    client_cpu,
    cpu_for_10_000,
    p99,
    ratios,
    throughput,
)
from bench.targets import targets


def write(figures: dict[str, Any], folder: Path) -> None:
    """Print the tables and write them, the figures and a plot to a folder."""
    folder.mkdir(exist_ok=True)
    text = tables(figures)
    print(text)
    (folder / "table.md").write_text(text)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "plot.svg").write_text(plot(figures))


def tables(figures: dict[str, Any]) -> str:
    """Return the report in Markdown."""
    lines = ["Medians of all rounds; in brackets the lowest and the highest.", ""]
    for connections, peers in by_connections(figures["closed loop"]).items():
        lines += [*throughput_table(connections, peers), "", *cpu_table(connections, peers), ""]
    lines += [*latency_table(by_peer(figures["open loop"])), ""]
    lines += [*target_table(targets(figures)), "", *machine_table(figures["machine"])]
    return "\n".join(lines) + "\n"


def throughput_table(connections: int, peers: dict[str, list[Row]]) -> list[str]:
    rows = []
    for name, measured in peers.items():
        rate, ratio = compare(peers, name, throughput, 0)
        errors = sum(row["errors"] for row in measured)
        rows.append([name, rate, spread(map(p99, measured), 1), ratio, str(errors)])
    return table([f"{connections} connections", "requests/s", "p99 in ms", "this pair ÷ it", "errors"], rows)


def cpu_table(connections: int, peers: dict[str, list[Row]]) -> list[str]:
    header = [f"CPU time, {connections} connections"]
    for measured in ("client, µs for a request", "backend, µs for a request", "both, s for 10,000 requests"):
        header += [measured, "this pair ÷ it"]
    rows = (
        [
            name,
            *compare(peers, name, client_cpu, 0),
            *compare(peers, name, backend_cpu, 0),
            *compare(peers, name, cpu_for_10_000, 2),
        ]
        for name in peers
    )
    return table(header, rows)


def latency_table(peers: dict[str, list[Row]]) -> list[str]:
    rate = next(iter(peers.values()))[0]["rate"]
    columns = ["p50", "p99", "p99.9", "sent late p99"]
    header = [f"{rate:g} requests/s, open loop", *(f"{column} in ms" for column in columns), "errors"]
    rows = []
    for name, measured in peers.items():
        cells = [spread((row[column] for row in measured), 1) for column in columns]
        rows.append([name, *cells, str(sum(row["errors"] for row in measured))])
    return table(header, rows)


def compare(peers: dict[str, list[Row]], name: str, quantity: Quantity, digits: int) -> tuple[str, str]:
    """Return a peer's quantity, and this pair's as a multiple of it."""
    return spread(map(quantity, peers[name]), digits), spread(ratios(peers, quantity, name), 2)
