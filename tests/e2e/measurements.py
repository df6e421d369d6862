"""What the tests measured: printed at the end of each run, and kept in a file by a complete one."""

import os

from tests.e2e.caller_pod import KINDS, Calls
from tests.e2e.cluster import ROOT

RESULTS = ROOT / "tests/results.md"
# From here on the file is kept by hand.
BY_HAND = "## Tried and survived"

cases: list[Calls] = []
notes: dict[str, str] = {}


def report() -> str:
    """Return the measurements as Markdown."""
    lines = [
        "| case | caller | requests | failed | p50 ms | p99 ms | seconds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        for kind in KINDS:
            summary = case.summary[kind]
            failed = sum(summary["failures"].values())
            cells = [case.name, kind, summary["requests"], failed, summary["p50_ms"], summary["p99_ms"]]
            if summary["requests"]:
                lines.append(f"| {' | '.join(map(str, cells))} | {case.summary['seconds']} |")
    lines += ["", "| also | measured |", "|---|---|"] if notes else []
    lines += [f"| {what} | {measured} |" for what, measured in notes.items()]
    return "\n".join(lines)


def write(nodes: int) -> None:
    """Replace the measurements in the file."""
    _, heading, by_hand = RESULTS.read_text().partition(BY_HAND)
    RESULTS.write_text(
        f"""# What the tests found

## Measured

Written by `make e2e-full`, on a kind cluster of {nodes} nodes and {os.cpu_count()} cores.

The callers of a case are in a Pod that shares these cores. Unless the case says otherwise, 16 keep their
connections, now and then idle for up to 5 s, and 100 requests a second come on new connections. They check
status and body of each answer and retry nothing.

{report()}

{heading}{by_hand}"""
    )
