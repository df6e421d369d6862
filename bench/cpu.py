"""CPU time of process trees, from /proc (man 5 proc_pid_stat)."""

import os
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def parse_stat(text: str) -> tuple[int, int]:
    """Return a process's parent and its CPU time in ticks, with that of children that it has waited for."""
    # The name is in parentheses, and may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15]))  # ppid; utime, stime, cutime, cstime


def cpu_seconds(*roots: int, proc: Path = PROC) -> list[float]:
    """Return the CPU time used so far by each of these processes and its descendants, in seconds."""
    processes = {}
    for file in proc.glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            processes[int(file.parent.name)] = parse_stat(file.read_text(errors="replace"))

    def ticks(root: int) -> int:
        children = [pid for pid, (parent, _) in processes.items() if parent == root]
        return processes[root][1] + sum(map(ticks, children))

    if gone := set(roots) - processes.keys():
        raise SystemExit(f"no processes {gone} in {proc}: do the containers run elsewhere? Try --no-docker")
    return [ticks(root) / TICKS_PER_SECOND for root in roots]


def wait_until_idle(*roots: int, seconds: float = 10) -> None:
    """Wait until these process trees use hardly any CPU.

    What a caller leaves unanswered when it ends would otherwise cost the next peer CPU.
    """
    deadline = time.monotonic() + seconds
    before, now = -1.0, sum(cpu_seconds(*roots))
    while now - before > 0.02 and time.monotonic() < deadline:
        time.sleep(0.2)
        before, now = now, sum(cpu_seconds(*roots))
