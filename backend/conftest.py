"""The fixtures and examples of tests/, for the tests that lie beside a logic."""

from tests.conftest import (
    backend,
    ending,
    many_files,
    pytest_configure,
    pytest_runtest_call,
    start,
    upstream,
)

__all__ = [
    "backend",
    "ending",
    "many_files",
    "pytest_configure",
    "pytest_runtest_call",
    "start",
    "upstream",
]
