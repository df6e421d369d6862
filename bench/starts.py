"""Time from process start to first answer; runs in the services' own environment."""

import os
import subprocess
import sys
import time
import urllib.request

from bench.services import free_port


def start(service: str) -> float:
    """Start a service, stop it after its first answer, and return the seconds between start and answer."""
    port = free_port()
    addresses = {"HOST": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(free_port())}
    environ = os.environ | addresses | {"WORKERS": "1"}
    started = time.monotonic()
    process = subprocess.Popen(
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
        process.terminate()
        process.wait()


if __name__ == "__main__":
    for _ in range(10):
        print(start("backend"), start("client"))
