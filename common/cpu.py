"""How many cores the container may use."""

import math
from pathlib import Path


def cores_in_quota(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cgroup's CPU quota in cores, rounded up; 1 where there is none.

    cgroup v2 keeps it in cpu.max, v1 in cpu/cpu.cfs_*_us (docs.kernel.org: admin-guide/cgroup-v2
    and scheduler/sched-bwc).
    """
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in files).split()
        except (OSError, ValueError):
            continue
        if quota not in ("max", "-1"):
            return max(1, math.ceil(int(quota) / int(period)))
    return 1
