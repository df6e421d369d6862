"""Draining: a stopping Pod says `Connection: close` on every connection before its process ends.

The Pod's preStop hook creates the flag; from then on each answer carries the header and /readyz is
503. A file, because only the container itself can create one.
"""

import tempfile
from functools import lru_cache
from pathlib import Path
from time import monotonic

FLAG = Path(tempfile.gettempdir()) / "draining"


def remove_flag() -> None:
    """Remove the flag of an earlier process in this container.

    Raises:
        SystemExit: it cannot be removed, and every answer would say that the process is about to stop.
    """
    try:
        FLAG.unlink(missing_ok=True)
    except OSError as error:
        raise SystemExit(f"{FLAG}: cannot remove the draining flag: {error.strerror}") from None


def draining() -> bool:
    """Return whether the preStop hook has run, at most a tenth of a second late."""
    return flag_exists(int(10 * monotonic()))


@lru_cache(1)
def flag_exists(_tenth: int) -> bool:
    """Return whether the flag exists; looked up once in a tenth of a second, not for every request."""
    return FLAG.exists()
