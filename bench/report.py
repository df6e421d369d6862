"""The figures as a table, as a plot and as they are."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAIR = "this pair"
# At least this many times a peer's throughput.
TARGETS = {"a": 3.0, "d": 2.0, "e": 0.35}


def write(figures: dict[str, Any], folder: Path) -> None:
    """Print the tables and write them, the figures and a plot into a folder."""
    folder.mkdir(exist_ok=True)
    text = tables(figures)
    print(text)
    (folder / "table.md").write_text(text)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "plot.svg").write_text(plot(figures["rounds"]))


def per_second(row: dict[str, Any]) -> float:
    """Requests answered a second; never zero, so that ratios exist."""
    return float(max(1, row["requests"]) / row["duration"] * 1e6)


def spread(values: Iterable[float], digits: int) -> str:
    """The median and, in brackets, the lowest and the highest."""
    values = sorted(values)
    low, high = values[0], values[-1]
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"  # noqa: RUF001


def by_peer(rounds: list[dict[str, Any]], connections: int) -> dict[str, list[dict[str, Any]]]:
    """The rows at a number of connections, in the order of rounds."""
    names = sorted({row["peer"] for row in rounds}, key=lambda name: (name != PAIR, name))
    return {
        name: [row for row in rounds if (row["peer"], row["connections"]) == (name, connections)]
        for name in names
    }


def ratios(rounds: list[dict[str, Any]], connections: int, name: str) -> list[float]:
    """The pair's throughput as a multiple of a peer's, in each round."""
    rows = by_peer(rounds, connections)
    return [per_second(ours) / per_second(its) for ours, its in zip(rows[PAIR], rows[name], strict=True)]


def tables(figures: dict[str, Any]) -> str:
    """Markdown: every peer at each load, the targets, the pair alone, the machine."""
    rounds = figures["rounds"]
    loads = sorted({row["connections"] for row in rounds})
    lines = ["Medians of all rounds; in brackets the lowest and the highest.", ""]
    for connections in loads:
        lines += [
            f"| {connections} connections | requests/s | p99 in ms | this pair ÷ it | errors |",
            "|---|---|---|---|---|",
        ]
        for name, rows in by_peer(rounds, connections).items():
            cells = [
                name,
                spread(map(per_second, rows), 0),
                spread((row["p99"] / 1000 for row in rows), 1),
                spread(ratios(rounds, connections, name), 2),
                str(sum(row["errors"] for row in rows)),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += [*target_table(targets(figures)), "", *machine_table(figures["machine"])]
    return "\n".join(lines) + "\n"


def target_table(targets: Iterable[tuple[str, str, bool]]) -> list[str]:
    """What was aimed at, what was measured, whether that is enough."""
    rows = [f"| {aim} | {value} | {'yes' if met else 'no'} |" for aim, value, met in targets]
    return ["| target | measured | met |", "|---|---|---|", *rows]


def machine_table(machine: dict[str, str]) -> list[str]:
    """What it was measured on."""
    return ["| machine | |", "|---|---|", *(f"| {key} | {value} |" for key, value in machine.items())]


def targets(figures: dict[str, Any]) -> Iterable[tuple[str, str, bool]]:
    """What was aimed at, what was measured, whether that is enough."""
    rounds = figures["rounds"]
    for connections in sorted({row["connections"] for row in rounds}):
        at = f"at {connections} connections"
        rows = by_peer(rounds, connections)
        for name in rows:
            if least := TARGETS.get(name[0]):
                ratio = statistics.median(ratios(rounds, connections, name))
                yield f"≥ {least:g} × {name} {at}", f"{ratio:.2f}", ratio >= least  # noqa: RUF001
        ours, its = (
            statistics.median(row["p99"] for row in rows[name]) / 1000
            for name in (PAIR, next(name for name in rows if name[0] == "d"))
        )
        yield f"p99 no worse than d's {at}", f"{ours:.1f} ms, d {its:.1f} ms", ours <= its
    slow = figures["slow backend"]
    p99, healthz, slowest = ([row[key] for row in slow] for key in ("p99", "healthz p99", "healthz slowest"))
    errors = sum(row["errors"] for row in slow)
    yield (
        f"backend takes 1 s, {slow[0]['most at the backend']} calls in flight: p99 < 1.5 s",
        f"{spread(p99, 0)} ms, {errors} errors",
        statistics.median(p99) < 1500 and not errors,
    )
    yield (
        "meanwhile the slowest /healthz < 100 ms",
        f"{spread(slowest, 0)} ms, p99 {spread(healthz, 0)} ms",
        statistics.median(slowest) < 100,
    )
    for service, seconds in figures["starts"].items():
        yield f"{service}: process start to first answer ≤ 1 s", spread(seconds, 2), max(seconds) <= 1


def plot(rounds: list[dict[str, Any]]) -> str:
    """An SVG: a bar for each median, a line from lowest to highest."""
    loads = sorted({row["connections"] for row in rounds})
    most = max(map(per_second, rounds))
    bars, y = [], 10
    for connections in loads:
        bars.append(
            f'<text x="10" y="{y + 14}" font-weight="bold">requests/s, {connections} connections</text>'
        )
        for name, rows in by_peer(rounds, connections).items():
            y += 24
            rates = [per_second(row) / most * 480 for row in rows]
            low, width, high = min(rates), statistics.median(rates), max(rates)
            colour = "#2a7" if name == PAIR else "#89b"
            bars += [
                f'<text x="190" y="{y + 14}" text-anchor="end">{name}</text>',
                f'<rect x="200" y="{y}" width="{width:.0f}" height="18" fill="{colour}"/>',
                f'<path d="M{200 + low:.0f} {y + 9}H{200 + high:.0f}" stroke="#333"/>',
                f'<text x="{210 + high:.0f}" y="{y + 14}">{width / 480 * most:,.0f}</text>',
            ]
        y += 36
    size = f'width="760" height="{y}" font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *bars, "</svg>\n"])
