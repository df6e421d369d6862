"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.services import IMAGE, ROOT, Place, output


def hardware() -> dict[str, str]:
    """Describe when, at which commit and on what was measured."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cpu": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def describe(place: Place, python: str) -> dict[str, str]:
    """Describe the machine and the programs.

    Args:
        place: where the services run.
        python: the pair's, from install().
    """
    return hardware() | {
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": output(place, "version", [python, "-VV"]).strip(),
        "where": f"containers of {IMAGE} on the host's network" if place.docker else "processes",
        "wrk": said("wrk", "--version").split(" [")[0],
        "nginx": said("nginx", "-v").removeprefix("nginx version: "),
        "packages": ", ".join(packages()),
    }


def packages() -> list[str]:
    """The locked versions of what serves and calls."""
    files = [ROOT / "requirements/client.txt", *(ROOT / "bench/requirements").glob("*.txt")]
    names = "aiohttp|fastapi|flask|gevent|gunicorn|httpx|requests|urllib3|uvicorn|uvloop"
    found = (re.findall(rf"^(?:{names})==[\w.]+", file.read_text(), re.MULTILINE) for file in files)
    return sorted({each for file in found for each in file})


def said(*command: str) -> str:
    """The first line that a program says; some say their version on standard error, or with an exit code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.partition("\n")[0]
