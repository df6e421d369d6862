"""What the tests measured, printed at the end of the run."""

from tests.e2e.caller_pod import KINDS, Calls

cases: list[Calls] = []
notes: list[str] = []


def table() -> list[str]:
    """Return a line per case and kind of caller, in Markdown."""
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
    return lines
