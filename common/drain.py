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
    """Return whether the preStop hook has run, at most a tenth of a second late."""
    return flag_exists(int(10 * monotonic()))


@lru_cache(1)
def flag_exists(_tenth: int) -> bool:
    """Return whether the flag is there; looked up once in a tenth of a second, since every request asks."""
    return FLAG.exists()
