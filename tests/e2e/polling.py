"""Requests from this machine, through a port-forward or a published port."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    sent_at: float
    seconds: float
    status: int
    content: Any


def get(url: str) -> Answer:
    """Send a request on a connection of its own; a connection error fails the test."""
    return ask(urllib.request.Request(url))


def post(url: str, content: Any) -> Answer:
    """Send a request with a body in JSON; otherwise like `get`."""
    return ask(
        urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    )


def ask(request: urllib.request.Request) -> Answer:
    """Send a request and return the answer."""
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    return Answer(started, time.monotonic() - started, status, json.loads(body))


@contextmanager
def polling(url: str) -> Iterator[list[Answer]]:
    """Send requests in four threads while the block runs; the list grows with their answers."""
    answers: list[Answer] = []
    done = threading.Event()

    def poll() -> None:
        while not done.wait(0.05):
            answers.append(get(url))

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(poll) for _ in range(4)]
        try:
            yield answers
        finally:
            done.set()
        for worker in workers:
            worker.result()
