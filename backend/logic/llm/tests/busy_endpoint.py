"""An endpoint for many streams at once, as a process: `python -m backend.logic.llm.tests.busy_endpoint PORT`.

It writes a token after a second, and each of the next ones INTERVAL later.
"""

import sys
from typing import Any

import gevent
from gevent.server import StreamServer

from backend.logic.llm.tests.scripted_endpoint import END, STREAM, chunk

TOKENS, INTERVAL = 60, 0.4


def serve(connection: Any, _address: object) -> None:
    received = b""
    while not received.endswith(b"}"):
        piece = connection.recv(65536)
        if not piece:
            return
        received += piece
    gevent.sleep(1)
    connection.sendall(STREAM + chunk("token "))
    for _ in range(TOKENS - 1):
        gevent.sleep(INTERVAL)
        connection.sendall(chunk("token "))
    connection.sendall(END)
    connection.close()


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), serve, backlog=512).serve_forever()
