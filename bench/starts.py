"""From process start to first answer: run in the services' own environment."""

import os
import subprocess
import sys
import time
import urllib.request

from bench.services import free_port


def start(service: str) -> float:
    """Start a service, wait for its first answer and end it; gives the seconds it took."""
    port = free_port()
    environ = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "WORKERS": "1"}
    started = time.monotonic()
    program = subprocess.Popen(
        [sys.executable, "-m", service], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while time.monotonic() < started + 30:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                    return time.monotonic() - started
            except OSError:
                time.sleep(0.005)
        raise SystemExit(f"{service} does not answer")
    finally:
        program.terminate()
        program.wait()


if __name__ == "__main__":
    for _ in range(10):
        print(start("backend"), start("client"))
