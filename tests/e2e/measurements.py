"""What the tests measured, printed as a table at the end of the run."""

from tests.e2e.caller_pod import KINDS, Load

notes: list[str] = []
loads: list[Load] = []


def table() -> list[str]:
    """A line per case and kind of caller, in Markdown."""
    lines = [
        "| case | caller | requests | failed | p50 ms | p99 ms | seconds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for load in loads:
        for kind in KINDS:
            figures = load.figures[kind]
            failed = sum(figures["failures"].values())
            cells = [load.name, kind, figures["requests"], failed, figures["p50_ms"], figures["p99_ms"]]
            if figures["requests"]:
                lines.append(f"| {' | '.join(map(str, cells))} | {load.figures['seconds']} |")
    return lines
