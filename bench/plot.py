"""The results as an SVG."""

import statistics
from collections.abc import Iterator
from typing import Any

from bench.peer import PAIR
from bench.rows import Quantity, Row, by_connections, by_peer, cpu_for_10_000, p99, throughput

BAR = 480  # pixels, of the longest


def plot(figures: dict[str, Any]) -> str:
    """Return a bar for each median, with a line from the lowest to the highest value."""
    shapes, y = ['<rect width="100%" height="100%" fill="#fff"/>'], 10
    for title, peers, quantity, digits in charts(figures):
        shapes.append(f'<text x="10" y="{y + 14}" font-weight="bold">{title}</text>')
        values = {name: [quantity(row) for row in rows] for name, rows in peers.items()}
        scale = BAR / max(map(max, values.values()))
        for name, measured in values.items():
            y += 24
            shapes += bar(name, y, scale, measured, digits)
        y += 36
    size = f'width="760" height="{y}" font-family="sans-serif" font-size="13"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *shapes, "</svg>\n"])


def charts(figures: dict[str, Any]) -> Iterator[tuple[str, dict[str, list[Row]], Quantity, int]]:
    """Yield each chart's title, its rows, what it shows of them, and with how many digits."""
    closed_loop = by_connections(figures["closed loop"])
    for connections, peers in closed_loop.items():
        yield f"requests/s, {connections} connections", peers, throughput, 0
    for connections, peers in closed_loop.items():
        title = f"CPU seconds for 10,000 requests, client and backend, {connections} connections"
        yield title, peers, cpu_for_10_000, 1
    rate = figures["open loop"][0]["rate"]
    yield f"p99 in ms, {rate:g} requests/s", by_peer(figures["open loop"]), p99, 1


def bar(name: str, y: int, scale: float, values: list[float], digits: int) -> list[str]:
    median = statistics.median(values)
    low, high = (200 + value * scale for value in (min(values), max(values)))
    colour = "#2a7" if name.startswith(PAIR) else "#89b"
    return [
        f'<text x="190" y="{y + 14}" text-anchor="end">{name}</text>',
        f'<rect x="200" y="{y}" width="{median * scale:.0f}" height="18" fill="{colour}"/>',
        f'<path d="M{low:.0f} {y + 9}H{high:.0f}" stroke="#333"/>',
        f'<text x="{high + 10:.0f}" y="{y + 14}">{median:,.{digits}f}</text>',
    ]
