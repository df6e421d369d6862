"""A backend that answers each query as a test scripted it, whatever the path, and however badly."""

import json
import re
import socket
import socketserver
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from tests.calls import PATIENCE, eventually

# What the backend does on a connection after a request; returning True keeps the connection open.
Behaviour = Callable[[socket.socket], object]


class ScriptedBackend(socketserver.ThreadingTCPServer):
    """A server that chooses a behaviour by the query, which the client passes on."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.port: int = self.server_address[1]
        self.behaviours: dict[bytes, tuple[Behaviour, ...]] = {}
        self.hasty: set[bytes] = set()
        self.requests: dict[bytes, list[bytes]] = defaultdict(list)
        self.bodies: dict[bytes, list[bytes]] = defaultdict(list)
        self.connections: dict[bytes, list[object]] = defaultdict(list)
        self.names = count()
        self.lock = threading.Lock()

    def will(self, *behaviours: Behaviour, reads_bodies: bool = True) -> str:
        """Script one behaviour a request, the last one for all further; return the target to call."""
        key = f"case={next(self.names)}"
        self.behaviours[key.encode()] = behaviours
        if not reads_bodies:
            self.hasty.add(key.encode())
        return f"/?{key}"

    def seen(self, target: str) -> list[bytes]:
        """Return the heads of the requests for a target."""
        return self.requests[query(target)]

    def sent(self, target: str) -> list[bytes]:
        """Return the bodies of the requests for a target."""
        return self.bodies[query(target)]

    def connections_of(self, target: str) -> list[object]:
        """Return the connection of each request for a target."""
        return self.connections[query(target)]

    def await_requests(self, target: str, number: int) -> None:
        eventually(f"{number} requests reach the backend", lambda: len(self.seen(target)) == number)

    def next_behaviour(self, head: bytes, connection: "Conversation") -> Behaviour:
        key = head.split(b" ", 2)[1].partition(b"?")[2].split(b"&", 1)[0]
        body = b"" if key in self.hasty else read_body(connection.request, head)
        with self.lock:
            self.bodies[key].append(body)
            self.requests[key].append(head)
            self.connections[key].append(connection)
            behaviours = self.behaviours[key]
            return behaviours[min(len(self.requests[key]), len(behaviours)) - 1]


def query(target: str) -> bytes:
    """Return the query of a target that `will` returned."""
    return target.partition("?")[2].encode()


class Conversation(socketserver.BaseRequestHandler):
    """A connection from the client."""

    server: ScriptedBackend

    def handle(self) -> None:
        self.request.settimeout(PATIENCE)
        with suppress(OSError):  # the client may hang up whenever it likes
            while head := read_head(self.request):
                if not self.server.next_behaviour(head, self)(self.request):
                    break


def read_head(connection: socket.socket) -> bytes:
    """Read a request up to its empty line; return nothing if the connection ends before."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def read_body(connection: socket.socket, head: bytes) -> bytes:
    """Read as much as a Content-Length says."""
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
    body, size = b"", int(length[1]) if length else 0
    while len(body) < size and (piece := connection.recv(size - len(body))):
        body += piece
    return body


@contextmanager
def serving(kind: type[ScriptedBackend] = ScriptedBackend) -> Iterator[ScriptedBackend]:
    """Run a scripted backend in a thread."""
    with kind() as backend:
        thread = threading.Thread(target=backend.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield backend
        finally:
            backend.shutdown()
            thread.join()


def answer(status: int, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a complete answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def as_json(status: int, content: Any, *headers: str) -> bytes:
    return answer(status, json.dumps(content).encode(), "Content-Type: application/json", *headers)


HELLO = as_json(200, {"status_code": 200, "message": "hello", "source": "backend"})


def sends(data: bytes) -> Behaviour:
    """Send the bytes and close the connection."""

    def behave(connection: socket.socket) -> None:
        # The end comes in the packet of the last bytes: else the client could use the connection before it.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    return behave


def sends_and_stays(data: bytes) -> Behaviour:
    """Send the bytes and wait for the next request."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(data)
        return True

    return behave


def hangs_after(data: bytes) -> Behaviour:
    """Send the bytes and then nothing, until the client hangs up."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(1)

    return behave


def waits_for(event: threading.Event, data: bytes = HELLO) -> Behaviour:
    """Send the bytes once the event is set."""

    def behave(connection: socket.socket) -> None:
        event.wait(PATIENCE)
        connection.sendall(data)

    return behave
