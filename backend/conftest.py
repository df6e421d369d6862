"""The fixtures and examples of tests/, for the tests that lie beside a logic."""

from tests.conftest import backend, current_clock, ending, many_files, pytest_configure, start, upstream

__all__ = ["backend", "current_clock", "ending", "many_files", "pytest_configure", "start", "upstream"]
