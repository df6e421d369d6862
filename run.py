"""Serve both services on this machine until Ctrl-C, and reload them on an edit: `make run`.

HOST and PORT are the client's. The backend listens on 127.0.0.1, on port 8080 or, where that is taken,
on any other. With URL no backend is started: the client calls that one.
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
from subprocess import PIPE, STDOUT, Popen

from watchfiles import watch

from client.settings import Settings

CODE = ("backend", "client", "common")
LOCALHOST = "127.0.0.1"
STOP = threading.Event()


class Service:
    """A service in a session of its own: Ctrl-C reaches only this script, which stops it gracefully."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name, self.host, self.port = name, host, port
        self.edited, self.status = False, 0
        self.folder = tempfile.TemporaryDirectory()  # for its draining flag, which others must not see
        env = os.environ | {"HOST": host, "PORT": str(port), "TMPDIR": self.folder.name}
        command = [sys.executable, "-u", "-m", name]
        self.process = Popen(command, env=env, stdout=PIPE, stderr=STDOUT, start_new_session=True)
        self.log = threading.Thread(target=self.print_log, daemon=True)
        self.log.start()

    def print_log(self) -> None:
        for line in self.process.stdout or ():
            with suppress(OSError):  # the terminal may be gone, but the service must not wait for it
                os.write(sys.stdout.fileno(), b"%-7s | %s" % (self.name.encode(), line))

    def ready(self) -> bool:
        connection = HTTPConnection(self.host.strip("[]"), self.port, timeout=5)
        with suppress(OSError, HTTPException), closing(connection):
            connection.request("GET", "/readyz")
            self.status = connection.getresponse().status
        return self.status == 200

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the service and its workers have ended
            os.killpg(self.process.pid, signal.SIGKILL)


def main() -> int | str:
    """Serve until a signal, or until `make`, the terminal or a service ends; return the exit code."""
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
        services.append(Service("backend", LOCALHOST, port))
        os.environ["URL"] = f"{LOCALHOST}:{port}"
    services.append(Service("client", client.host, client.port))
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


def announce(services: list[Service]) -> None:
    """Print the addresses once all services are ready."""
    for service in services:
        while not service.ready():
            if STOP.wait(2 if service.status else 0.1):
                return
    places = ", ".join(f"the {each.name} at http://{each.host}:{each.port}/" for each in reversed(services))
    print(f"\nReady: {places} (Ctrl-C stops, twice: at once)\n", flush=True)


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
            if service.edited and service.status:  # SIGHUP would end a process that has just started
                service.edited = False
                service.process.send_signal(signal.SIGHUP)
        if (os.getppid(), os.isatty(1)) != parent_and_terminal:
            break
    return None


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
