"""Tables of results in Markdown."""

import statistics
from collections.abc import Iterable

# What was aimed at, what was measured, and whether that is enough.
Target = tuple[str, str, bool]


def table(header: list[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table."""
    lines = ["".join(f"| {cell}".rstrip() + " " for cell in cells) + "|" for cells in (header, *rows)]
    return [lines[0], "|" + "---|" * len(header), *lines[1:]]


def target_table(targets: Iterable[Target]) -> list[str]:
    return table(
        ["target", "measured", "met"], ([aim, value, "yes" if met else "no"] for aim, value, met in targets)
    )


def machine_table(machine: dict[str, str]) -> list[str]:
    return table(["machine", ""], machine.items())


def spread(values: Iterable[float], digits: int) -> str:
    """Return the median and, in brackets, the lowest and the highest value."""
    values = sorted(values)
    low, high = values[0], values[-1]
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"  # noqa: RUF001
