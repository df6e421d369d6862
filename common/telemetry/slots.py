"""Which files a worker counts in: those of a slot that it has locked, so that its successor goes on there.

Named by process id, the files of workers that have ended would add up.
"""

import fcntl
import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

# The lock of this worker's slot, which ends with its process, however that ends.
LOCKS: list[IO[str]] = []


def folder_of(port: int) -> Path:
    """Return where the workers of the service with this METRICS_PORT count."""
    return Path(tempfile.gettempdir()) / f"metrics-{port}"


def make_folder(port: int) -> None:
    """Make the folder, without what an earlier process has left in it."""
    shutil.rmtree(folder_of(port), ignore_errors=True)
    folder_of(port).mkdir()


def claim_slot(folder: Path) -> int:
    """Return the lowest slot that no other worker has."""
    for slot in count():
        lock = (folder / f"slot-{slot}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            LOCKS.append(lock)
            return slot
    raise AssertionError("count() does not end")
