"""The results as an SVG."""

import statistics
from typing import Any

from bench.peer import PAIR
from bench.rows import by_connections, throughput

WIDTH = 480


def plot(rounds: list[dict[str, Any]]) -> str:
    """Return a bar for each median, with a line from the lowest to the highest value."""
    most = max(map(throughput, rounds))
    shapes, y = [], 10
    for connections, peers in by_connections(rounds).items():
        shapes.append(
            f'<text x="10" y="{y + 14}" font-weight="bold">requests/s, {connections} connections</text>'
        )
        for name, rows in peers.items():
            y += 24
            lengths = [throughput(row) / most * WIDTH for row in rows]
            low, median, high = min(lengths), statistics.median(lengths), max(lengths)
            colour = "#2a7" if name == PAIR else "#89b"
            shapes += [
                f'<text x="190" y="{y + 14}" text-anchor="end">{name}</text>',
                f'<rect x="200" y="{y}" width="{median:.0f}" height="18" fill="{colour}"/>',
                f'<path d="M{200 + low:.0f} {y + 9}H{200 + high:.0f}" stroke="#333"/>',
                f'<text x="{210 + high:.0f}" y="{y + 14}">{median / WIDTH * most:,.0f}</text>',
            ]
        y += 36
    size = f'width="760" height="{y}" font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *shapes, "</svg>\n"])
