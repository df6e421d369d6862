"""Draining: a stopping Pod says goodbye on every connection before its process ends.

The Pod's preStop hook makes the flag; from then on each answer carries `Connection: close`
and /readyz is 503. A file, because only the container itself can make one.
"""

import tempfile
from functools import lru_cache
from pathlib import Path
from time import monotonic

FLAG = Path(tempfile.gettempdir()) / "draining"


def draining() -> bool:
    """Whether the preStop hook has run, noticed within a tenth of a second."""
    return exists(int(10 * monotonic()))


@lru_cache(1)
def exists(_tenth: int) -> bool:
    """Whether the flag is there, looked up once in a tenth of a second: every request asks."""
    return FLAG.exists()
