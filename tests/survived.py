"""What callers and backends tried, and the services survived: a table in results.md."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

RESULTS = Path(__file__).parent / "results.md"
# Each case of a test in these folders is an attempt; other tests record how many they made.
FOLDERS = ("tests/hostile/", "tests/contract/")
HEADING = "## Tried and survived\n"
TEXT = """
Written by `make e2e-full`, or with `--keep` for the tests that are run. A row is a test, in the words of its
name; `sent` are requests, connections or signals, where a case sends more than one or two.

| tests | what they claim | cases | sent |
|---|---|---:|---:|
"""

Test = tuple[str, str]


def counted(reports: Iterable[pytest.TestReport]) -> dict[Test, tuple[int, int]]:
    """Return how many cases of each test passed, and how much they sent."""
    counts: dict[Test, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for report in reports:
        path, _, name = report.nodeid.partition("::")
        sent = sum(int(str(value)) for key, value in report.user_properties if key == "sent")
        if sent or path.startswith(FOLDERS):
            test = path, name.partition("[")[0].removeprefix("test_").replace("_", " ")
            cases, sent_before = counts[test]
            counts[test] = cases + 1, sent_before + sent
    return counts


def kept() -> dict[Test, tuple[int, int]]:
    """Return what the file has."""
    counts = {}
    table = RESULTS.read_text().partition(HEADING)[2].partition(TEXT.splitlines()[-1])[2]
    for line in table.split("\n")[1:-1]:
        path, claim, cases, sent = line.strip("| ").split(" | ")
        counts[path, claim] = int(cases), int(sent)
    return counts


def keep(counts: dict[Test, tuple[int, int]], *, complete: bool) -> None:
    """Put the counts into the file; those of an incomplete run replace only their own earlier ones."""
    rows = counts if complete else kept() | counts
    before = RESULTS.read_text().partition(HEADING)[0]
    lines = [f"| {' | '.join(map(str, (*test, *numbers)))} |\n" for test, numbers in sorted(rows.items())]
    RESULTS.write_text("".join([before, HEADING, TEXT, *lines]))
