"""What this code overrides in other packages, or relies on inside them: CONTRIBUTING.md, "Upgrading"."""

import inspect
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import gevent
import gunicorn.arbiter
import pytest
from gevent.socket import socket as gevent_socket
from gevent.socket import socketpair
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import message, wsgi
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http2 import negotiation
from gunicorn.workers.ggevent import GeventWorker

from backend.settings import Settings
from common.serving.access_log import AccessLogger
from common.serving.arbiter import Arbiter
from common.serving.cached import cache_for_requests, of_second
from common.serving.handover import Handover
from common.serving.log_lines import LogLines
from common.serving.log_stream import LogStream
from common.serving.overload import Overload
from common.serving.request_limits import BoundedRequest, limit_requests
from common.serving.server import Server, options
from common.serving.worker import Worker
from tests.calls import PATIENCE, receive, request


@pytest.mark.parametrize(
    ("ours", "theirs", "methods"),
    [
        (
            Worker,
            GeventWorker,
            {
                "init_process",
                "init_signals",
                "load_wsgi",
                "run",
                "handle_exit",
                "timeout_ctx",
                "handle_request",
                "handle_error",
            },
        ),
        (BoundedRequest, Request, {"parse", "_peer_is_trusted_proxy"}),
        (AccessLogger, Logger, {"setup", "access"}),
        (Arbiter, gunicorn.arbiter.Arbiter, {"setup", "kill_worker"}),
        (Server, BaseApplication, {"run", "load_config", "load", "reload"}),
    ],
)
def test_overridden_methods_exist_and_take_as_many_arguments(
    ours: type, theirs: type, methods: set[str]
) -> None:
    overridden = {name for name in vars(ours) if not name.startswith("__") and hasattr(theirs, name)}

    assert overridden == methods, "expected what CONTRIBUTING.md lists, and all of it in the package"
    for name in methods:
        # By number: gunicorn passes by position, and our unused parameters start with an underscore.
        numbers = [len(inspect.signature(getattr(owner, name)).parameters) for owner in (ours, theirs)]
        assert numbers[0] == numbers[1], name


@pytest.fixture
def cfg() -> Config:
    """gunicorn's configuration, as `common.serving.server` makes it."""
    config = Config()
    for name, value in options(Settings.from_environ({})).items():
        config.set(name, value)
    return config


def test_gunicorn_does_not_speak_http2(cfg: Config) -> None:
    assert cfg.http_protocols == ["h1"]
    # A caller without an address is on a Unix socket, which gunicorn always trusts.
    assert not negotiation.prior_knowledge_allowed(cfg, "")
    assert not negotiation.upgrade_allowed(cfg, "")


class RecordingWorker(Worker):
    """A worker that notes which of its methods gunicorn calls, and with what."""

    called: list[tuple[str, str]]
    errors: list[object]  # of each request

    def timeout_ctx(self) -> AbstractContextManager[None]:
        self.called.append(("timeout_ctx", ""))
        return super().timeout_ctx()

    def handle_request(self, listener_name: Any, req: Request, sock: Any, addr: Any) -> None:
        self.called.append(("handle_request", type(req).__name__))
        super().handle_request(listener_name, req, sock, addr)


@pytest.fixture
def worker(cfg: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingWorker]:
    monkeypatch.setattr(message, "MAX_REQUEST_LINE", message.MAX_REQUEST_LINE)
    monkeypatch.setattr(RequestParser, "mesg_class", RequestParser.mesg_class)
    monkeypatch.setattr(util, "http_date", util.http_date)
    monkeypatch.setattr(wsgi, "WSGIErrorsWrapper", wsgi.WSGIErrorsWrapper)
    limit_requests()
    cache_for_requests()

    errors: list[object] = []

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        errors.append(environ["wsgi.errors"])
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"{}"]

    app = SimpleNamespace(settings=Settings.from_environ({}), service="backend")
    worker = RecordingWorker(1, os.getppid(), [], app, 30, cfg, AccessLogger(cfg, LogStream(1, LINES)))
    worker.called = []
    worker.overload = Overload("backend", worker.must_close, worker.log)
    worker.wsgi, worker.errors = worker.overload.wrap(answer), errors
    yield worker
    worker.tmp.close()
    worker.log.error_log.handlers.clear()
    worker.log.access_log.handlers.clear()


LINES = LogLines("backend", "pod", is_json=True)
LISTENER = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 80))
CALLER = ("127.0.0.1", 1)


def test_gunicorn_serves_a_connection_with_what_is_overridden(
    worker: RecordingWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socketpair()
    long_query = "x=" + "y" * 20_000  # gunicorn's own limit is 8,190 bytes

    with ours, gevent.Timeout(PATIENCE):
        serving = gevent.spawn(worker.handle, LISTENER, worker.connect(theirs, CALLER), CALLER)
        for target in ("/", f"/?{long_query}"):
            ours.sendall(request(target))
            assert receive(ours).status == 200
        ours.shutdown(socket.SHUT_WR)
        serving.get()

    next_request = [("timeout_ctx", ""), ("handle_request", "BoundedRequest")]
    assert worker.called == [*next_request, *next_request, ("timeout_ctx", "")]
    expected = {"method": "GET", "path": "/", "status": 200, "bytes": 2, "caller": "127.0.0.1"}
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert all(expected.items() <= line.items() for line in lines)
    assert lines[1]["query_bytes"] == len(long_query)


def test_a_connection_that_is_accepted_as_the_worker_is_told_to_stop_is_served(
    worker: RecordingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect_and_stop(*args: Any) -> Any:
        worker.handle_exit(signal.SIGTERM, None)
        return RecordingWorker.connect(worker, *args)

    monkeypatch.setattr(worker, "connect", connect_and_stop)
    worker.app.handover = handover = Handover()
    worker.sockets = [listener := gevent_socket()]
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with gevent_socket() as caller, gevent.Timeout(PATIENCE):
        caller.connect(listener.getsockname())
        caller.sendall(request("/"))
        worker.run()
        assert receive(caller).status == 200
    for end in (*handover.ends, handover.sender, handover.receiver):
        end.close()


def test_the_date_is_formatted_once_a_second(worker: RecordingWorker) -> None:
    ours, theirs = socketpair()
    of_second.cache_clear()

    with ours, gevent.Timeout(PATIENCE):
        serving = gevent.spawn(worker.handle, LISTENER, worker.connect(theirs, CALLER), CALLER)
        dates = []
        for _ in range(10):
            ours.sendall(request("/"))
            dates.append(parsedate_to_datetime(receive(ours).headers["Date"]))
        ours.shutdown(socket.SHUT_WR)
        serving.get()

    assert abs(dates[-1].timestamp() - time.time()) < PATIENCE
    assert of_second.cache_info().misses == len(set(dates)) < len(dates)


def test_requests_share_wsgi_errors(worker: RecordingWorker) -> None:
    ours, theirs = socketpair()

    with ours, gevent.Timeout(PATIENCE):
        serving = gevent.spawn(worker.handle, LISTENER, worker.connect(theirs, CALLER), CALLER)
        for _ in range(2):
            ours.sendall(request("/"))
            receive(ours)
        ours.shutdown(socket.SHUT_WR)
        serving.get()

    assert len(worker.errors) == 2
    assert len(set(map(id, worker.errors))) == 1
