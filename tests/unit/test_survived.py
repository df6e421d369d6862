"""The table of what was tried and survived."""

from pathlib import Path

import pytest

from tests import survived


def report(nodeid: str, **properties: object) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid, ("", 0, ""), {}, "passed", None, "call", user_properties=list(properties.items())
    )


def test_cases_are_counted_and_what_they_sent() -> None:
    reports = [
        report("tests/hostile/test_a.py::test_a_line_is_refused[x]"),
        report("tests/hostile/test_a.py::test_a_line_is_refused[y]"),
        report("tests/live/test_b.py::test_much", sent=4000),
        report("tests/live/test_b.py::test_much[2]", sent=1000),
        report("tests/live/test_b.py::test_something_else"),
    ]

    assert survived.counted(reports) == {
        ("tests/hostile/test_a.py", "a line is refused"): (2, 0),
        ("tests/live/test_b.py", "much"): (2, 5000),
    }


def test_a_part_of_a_full_run_replaces_only_its_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.md"
    results.write_text("# Results\n")
    monkeypatch.setattr(survived, "RESULTS", results)

    survived.keep({("a", "x"): (1, 10), ("b", "y"): (2, 0)}, complete=True)
    survived.keep({("b", "y"): (3, 30)}, complete=False)
    assert survived.kept() == {("a", "x"): (1, 10), ("b", "y"): (3, 30)}

    survived.keep({("c", "z"): (1, 1)}, complete=True)
    assert survived.kept() == {("c", "z"): (1, 1)}
    assert results.read_text().startswith(f"# Results\n{survived.HEADING}")
