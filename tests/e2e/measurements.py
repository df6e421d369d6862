"""What the tests measured: printed at the end of each run, and kept in a file by runs with every case."""

import os
from collections.abc import Iterable

from tests.e2e.caller_pod import KINDS, Calls
from tests.e2e.cluster import ROOT, run

RESULTS = ROOT / "tests/results.md"
# From here on the file is kept by hand.
BY_HAND = "## Tried and survived"

Row = tuple[str, ...]
# A row replaces an earlier one with the same first cells: two of a case, one of what else was measured.
CASE_COLUMNS, CASE_KEYS = ("case", "caller", "requests", "failed", "p50 ms", "p99 ms", "seconds", "commit"), 2
NOTE_COLUMNS, NOTE_KEYS = ("also", "measured", "commit"), 1

cases: list[Calls] = []
notes: dict[str, str] = {}


def report(*, with_earlier: bool = False) -> str:
    """Return the measurements as Markdown; `with_earlier` adds what the file has and this run has not."""
    commit = version()
    case_rows = [row for case in cases for row in rows_of(case, commit)]
    note_rows = [(what, measured, commit) for what, measured in notes.items()]
    tables = []
    for columns, keys, rows in ((CASE_COLUMNS, CASE_KEYS, case_rows), (NOTE_COLUMNS, NOTE_KEYS, note_rows)):
        earlier = rows_in_file(columns) if with_earlier else []
        tables.append(table(columns, {row[:keys]: row for row in [*earlier, *rows]}.values()))
    return "\n\n".join(filter(None, tables))


def version() -> str:
    """Return the commit that is tested; marked if a file other than that of the results was changed."""
    others = (".", f":!{RESULTS.relative_to(ROOT)}")
    changed = run("git", "status", "--porcelain", "--untracked-files=no", "--", *others)
    return run("git", "rev-parse", "--short", "HEAD").strip() + ("-dirty" if changed else "")


def rows_of(case: Calls, commit: str) -> Iterable[Row]:
    """Return a row for each kind of caller that made requests."""
    for kind in KINDS:
        summary = case.summary[kind]
        if summary["requests"]:
            failed = sum(summary["failures"].values())
            figures = summary["requests"], failed, summary["p50_ms"], summary["p99_ms"]
            yield case.name, kind, *map(str, figures), str(case.summary["seconds"]), commit


def table(columns: Row, rows: Iterable[Row]) -> str:
    """Return a table in Markdown; nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head(columns), f"|{'---|' * len(columns)}", *lines]) if lines else ""


def head(columns: Row) -> str:
    return f"| {' | '.join(columns)} |"


def rows_in_file(columns: Row) -> list[Row]:
    """Return the rows of the file's table that has these columns."""
    _, _, after = RESULTS.read_text().partition(f"{head(columns)}\n")
    lines = after.partition("\n\n")[0].splitlines()[1:]
    return [tuple(line.strip("| ").split(" | ")) for line in lines]


def write(nodes: int, *, complete: bool) -> None:
    """Put the measurements into the file; those of an incomplete run replace only their own earlier ones."""
    _, heading, by_hand = RESULTS.read_text().partition(BY_HAND)
    RESULTS.write_text(
        f"""# What the tests found

## Measured

Written by `make e2e-full`, on a kind cluster of {nodes} nodes and {os.cpu_count()} cores; `commit` is
what was measured.

The callers of a case are in a Pod that shares these cores. Unless the case says otherwise, 16 keep their
connections, now and then idle for up to 5 s, 100 idle for up to 60 s between two requests, and 100 requests a
second come on new connections. They check status and body of each answer and retry nothing.

{report(with_earlier=not complete)}

{heading}{by_hand}"""
    )
