"""The results as tables, as a plot and as JSON."""

import json
from pathlib import Path
from typing import Any

from bench.markdown import machine_table, spread, table, target_table
from bench.plot import plot
from bench.rows import Row, by_connections, p99, ratios, throughput
from bench.targets import targets


def write(figures: dict[str, Any], folder: Path) -> None:
    """Print the tables and write them, the figures and a plot to a folder."""
    folder.mkdir(exist_ok=True)
    text = tables(figures)
    print(text)
    (folder / "table.md").write_text(text)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "plot.svg").write_text(plot(figures["rounds"]))


def tables(figures: dict[str, Any]) -> str:
    """Return the report in Markdown."""
    lines = ["Medians of all rounds; in brackets the lowest and the highest.", ""]
    for connections, peers in by_connections(figures["rounds"]).items():
        lines += [*throughput_table(connections, peers), ""]
    lines += [*target_table(targets(figures)), "", *machine_table(figures["machine"])]
    return "\n".join(lines) + "\n"


def throughput_table(connections: int, peers: dict[str, list[Row]]) -> list[str]:
    return table(
        [f"{connections} connections", "requests/s", "p99 in ms", "this pair ÷ it", "errors"],
        (
            [
                name,
                spread(map(throughput, rows), 0),
                spread(map(p99, rows), 1),
                spread(ratios(peers, throughput, name), 2),
                str(sum(row["errors"] for row in rows)),
            ]
            for name, rows in peers.items()
        ),
    )
