"""Serve both services on this machine until Ctrl-C, and reload them on an edit: `make run`.

HOST and PORT are the client's. The backend listens on 127.0.0.1, on port 8080 or, where that is taken,
on any other. With URL no backend is started: the client calls that one. What a logic needs beside the
backend is started, too, if its folder says so in `beside.py`.
"""

import errno
import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen, run

from watchfiles import watch

from backend.lookup import built_in_logics, import_alone
from client.settings import Settings
from common.serving.log_setup import open_standard_streams

CODE = ("backend", "client", "common")
LOCALHOST = "127.0.0.1"
STOP = threading.Event()


class Service:
    """A service in a session of its own: Ctrl-C reaches only this script, which stops it gracefully."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *arguments: str,
        probe: str = "/readyz",
        metrics_port: int = 0,
    ) -> None:
        self.name, self.host, self.port, self.probe = name, host, port, probe
        self.metrics_port = metrics_port
        self.edited, self.status = False, 0
        self.folder = tempfile.TemporaryDirectory()  # for its draining flag, which others must not see
        commit = os.environ.get("GIT_COMMIT") or last_commit(name)
        env = os.environ | {"GIT_COMMIT": commit, "HOST": host, "PORT": str(port), "TMPDIR": self.folder.name}
        env["METRICS_PORT"] = str(metrics_port)
        if os.isatty(1) and env.get("LOG_FORMAT", "auto") == "auto":
            env["LOG_FORMAT"] = "text"  # the service itself sees a pipe
        command = [sys.executable, "-u", *(arguments or ("-m", name))]
        self.process = Popen(command, env=env, stdout=PIPE, stderr=STDOUT, start_new_session=True)
        self.log = threading.Thread(target=self.print_log, daemon=True)
        self.log.start()

    def print_log(self) -> None:
        for line in self.process.stdout or ():
            with suppress(OSError):  # the terminal may be gone, but the service must not wait for it
                os.write(1, b"%-7s | %s" % (self.name.encode(), line))

    def ready(self) -> bool:
        connection = HTTPConnection(self.host.strip("[]"), self.port, timeout=5)
        with suppress(OSError, HTTPException), closing(connection):
            connection.request("GET", self.probe)
            self.status = connection.getresponse().status
        return self.status == 200

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the service and its workers have ended
            os.killpg(self.process.pid, signal.SIGKILL)


def main() -> int | str:
    """Serve until a signal, or until `make`, the terminal or a service ends; return the exit code."""
    open_standard_streams()
    client = Settings.from_environ({"HOST": LOCALHOST} | os.environ)
    if taken(client.host, client.port):
        return f"port {client.port} is taken; choose another one: make run PORT={client.port + 1}"
    services: list[Service] = []

    def stop(number: int, _frame: object) -> None:
        for service in services if number == signal.SIGINT and STOP.is_set() else ():
            service.kill()
        STOP.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants
            signal.signal(number, stop)
    if "URL" not in os.environ:
        with socket.create_server((LOCALHOST, 0)) as free:
            port = free.getsockname()[1] if client.port == 8080 or taken(LOCALHOST, 8080) else 8080
        services.extend(started_beside())
        metrics_port = client.metrics_port and free_port(LOCALHOST, client.metrics_port + 1)
        services.append(Service("backend", LOCALHOST, port, metrics_port=metrics_port))
        os.environ["URL"] = f"{LOCALHOST}:{port}"
    metrics_port = client.metrics_port and free_port(client.host, client.metrics_port)
    services.append(Service("client", client.host, client.port, metrics_port=metrics_port))
    # Stops the services when the pipe to it closes: at the end of the block, or if this script is killed.
    stopper = ["/bin/sh", "-c", 'read -r _; kill "$@" 2>&-', "sh", *(str(s.process.pid) for s in services)]
    with Popen(stopper, stdin=PIPE, start_new_session=True):
        threading.Thread(target=announce, args=[services], daemon=True).start()
        ended = reload_until_end(services)
        STOP.set()
    for service in services:
        service.process.wait()
        service.kill()  # workers that outlived it
        service.log.join(timeout=1)
        service.folder.cleanup()
    return f"the {ended.name} has ended" if ended else 0


def started_beside() -> list[Service]:
    """Start what LOGIC needs beside the backend, and point the backend's settings at it."""
    logic = os.environ.get("LOGIC", "")
    file = Path("backend", "logic", logic, "beside.py")
    if logic not in built_in_logics() or not file.is_file():
        return []
    beside = import_alone(f"backend.logic.{logic}.beside", file)
    if not beside.is_needed(os.environ):
        return []
    with socket.create_server((LOCALHOST, 0)) as free:
        place = free.getsockname()
    os.environ.update(beside.settings(*place))
    return [Service(beside.NAME, *place, *beside.arguments(*place), probe=beside.PROBE)]


def announce(services: list[Service]) -> None:
    """Print the addresses once all services are ready."""
    for service in services:
        while not service.ready():
            if STOP.wait(2 if service.status else 0.1):
                return
    places = ", ".join(f"the {each.name} at http://{each.host}:{each.port}/" for each in reversed(services))
    print(f"\nReady: {places} (Ctrl-C stops, twice: at once)", flush=True)
    for each in reversed(services):
        if each.metrics_port:
            print(f"Metrics of the {each.name}: http://{each.host}:{each.metrics_port}/metrics", flush=True)
    print(flush=True)


def reload_until_end(services: list[Service]) -> Service | None:
    """Reload edited services until a signal, or until `make`, the terminal or a service ends.

    Returns:
        The service that has ended, if one has.
    """
    parent_and_terminal = os.getppid(), os.isatty(1)
    for edits in watch(*CODE, watch_filter=None, stop_event=STOP, rust_timeout=200, yield_on_timeout=True):
        edited = {Path(path).relative_to(Path.cwd()).parts[0] for _, path in edits if path.endswith(".py")}
        for service in services:
            service.edited |= not edited.isdisjoint([service.name, "common"])
            if service.process.poll() is not None:
                return service
            # SIGHUP would end a process that has just started.
            if service.edited and service.status and service.name in CODE:
                service.edited = False
                service.process.send_signal(signal.SIGHUP)
        if (os.getppid(), os.isatty(1)) != parent_and_terminal:
            break
    return None


def last_commit(service: str) -> str:
    """Return the last commit that changed the service; empty if git cannot tell."""
    command = ["git", "log", "-1", "--format=%H", "--", service, "common", "requirements"]
    with suppress(OSError):
        return run(command, stdout=PIPE, stderr=DEVNULL, text=True, check=False).stdout.strip()
    return ""


def free_port(host: str, wanted: int) -> int:
    """Return the port that is wanted or, where it is taken, any other."""
    if not taken(host, wanted):
        return wanted
    with socket.create_server((LOCALHOST, 0)) as free:
        port: int = free.getsockname()[1]
        return port


def taken(host: str, port: int) -> bool:
    """Return whether another program listens on the port."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


if __name__ == "__main__":
    sys.exit(main())
