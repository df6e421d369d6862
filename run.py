"""Serve both services on this machine until Ctrl-C: `make run`."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

HOST = "127.0.0.1"
SERVICES = {"backend": {"PORT": "8080"}, "client": {"PORT": "8082", "URL": "localhost:8080"}}
ADDRESS = f"http://{HOST}:8082/"


def main() -> int | str:
    """Run both, and stop both when one ends or the user says so."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    for service, settings in SERVICES.items():
        if taken(int(settings["PORT"])):
            return f"port {settings['PORT']} of {HOST} is taken: the {service} cannot listen there"
    processes = [start(service, settings) for service, settings in SERVICES.items()]
    announced = False
    try:
        while all(process.poll() is None for process in processes):
            if not announced and answers():
                announced = True
                print(f"\nThe client answers at {ADDRESS} (Ctrl-C stops both)\n", flush=True)
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    return 1


def start(service: str, settings: dict[str, str]) -> "subprocess.Popen[str]":
    """Start a service in a session of its own: Ctrl-C reaches this script, which stops it gracefully."""
    process = subprocess.Popen(
        [sys.executable, "-m", service],
        env=os.environ | {"HOST": HOST} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    threading.Thread(target=show, args=(service, process), daemon=True).start()
    return process


def show(service: str, process: "subprocess.Popen[str]") -> None:
    """Print a service's log, each line under its name."""
    for line in process.stdout or ():
        print(f"{service:7} | {line}", end="", flush=True)


def taken(port: int) -> bool:
    """Whether another program listens on the port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return True
    return False


def answers() -> bool:
    """Whether the client answers, and so the backend too."""
    try:
        with urllib.request.urlopen(ADDRESS, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # a logic may want a query
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
