"""The fixtures of tests/e2e."""

from tests.e2e.conftest import cluster, healthy

__all__ = ["cluster", "healthy"]
