"""How much memory the container may use."""

from pathlib import Path

# What queries may use of the container's memory, and where that has no limit (bytes).
SHARE, UNLIMITED = 0.5, 512 * 2**20


def memory_for_queries(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return a share of the cgroup's limit on memory, in bytes.

    cgroup v2 keeps it in memory.max, v1 in memory/memory.limit_in_bytes (docs.kernel.org:
    admin-guide/cgroup-v2 and admin-guide/cgroup-v1/memory).
    """
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = int((cgroup / name).read_text())
        except (OSError, ValueError):
            continue
        return min(int(SHARE * limit), UNLIMITED)
    return UNLIMITED
