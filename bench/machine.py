"""A description of what was measured, and on which machine."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.services import IMAGE, ROOT, Runtime, run_to_end


def hardware() -> dict[str, str]:
    """Return the time, the commit and the machine."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cpu": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def describe(runtime: Runtime, python: str) -> dict[str, str]:
    """Return the machine and the versions of the programs.

    Args:
        runtime: where the services run.
        python: the pair's, from install().
    """
    return hardware() | {
        "load average before": " ".join(f"{average:.2f}" for average in os.getloadavg()),
        "python": run_to_end(runtime, "version", [python, "-VV"]).strip(),
        "where": f"containers of {IMAGE} on the host's network" if runtime.docker else "processes",
        "wrk": first_line("wrk", "--version").split(" [")[0],
        "nginx": first_line("nginx", "-v").removeprefix("nginx version: "),
        "packages": ", ".join(packages()),
    }


def packages() -> list[str]:
    """Return the locked versions of servers, frameworks and HTTP clients."""
    files = [ROOT / "requirements/client.txt", *(ROOT / "bench/requirements").glob("*.txt")]
    names = "aiohttp|fastapi|flask|gevent|gunicorn|httptools|httpx|requests|urllib3|uvicorn|uvloop"
    found = (re.findall(rf"^(?:{names})==[\w.]+", file.read_text(), re.MULTILINE) for file in files)
    return sorted({package for packages in found for package in packages})


def first_line(*command: str) -> str:
    """Return the first line of a program's output; some print their version to stderr, or exit with 1."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.partition("\n")[0]
