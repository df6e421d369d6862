"""What this code overrides in other packages, or relies on inside them: CONTRIBUTING.md, "Upgrading"."""

import inspect
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.socket import socketpair
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import message
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http2 import negotiation
from gunicorn.workers.ggevent import GeventWorker

from backend.settings import Settings
from common.serving.access_log import AccessLogger
from common.serving.request_limits import BoundedRequest, limit_requests
from common.serving.server import Server, options
from common.serving.worker import Worker
from tests.calls import PATIENCE, receive, request
from tests.scripted_backend import serving


@pytest.mark.parametrize(
    ("ours", "theirs", "methods"),
    [
        (
            Worker,
            GeventWorker,
            {"init_process", "run", "handle_exit", "timeout_ctx", "handle_request", "handle_error"},
        ),
        (BoundedRequest, Request, {"parse", "_peer_is_trusted_proxy"}),
        (AccessLogger, Logger, {"access"}),
        (Server, BaseApplication, {"load_config", "load", "reload"}),
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
    limit_requests()

    def wsgi(_environ: object, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"{}"]

    app = SimpleNamespace(settings=Settings.from_environ({}), service="backend")
    worker = RecordingWorker(1, os.getppid(), [], app, 30, cfg, cfg.logger_class(cfg))
    worker.called = []
    worker.wsgi = wsgi
    yield worker
    worker.tmp.close()
    worker.log.error_log.handlers.clear()
    worker.log.access_log.handlers.clear()


LISTENER = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 80))
CALLER = ("127.0.0.1", 1)


def test_gunicorn_serves_a_connection_with_what_is_overridden(
    worker: RecordingWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socketpair()
    long_query = "x" * 20_000  # gunicorn's own limit is 8,190 bytes

    with ours, gevent.Timeout(PATIENCE):
        serving = gevent.spawn(worker.handle, LISTENER, worker.connect(theirs), CALLER)
        for target in ("/", f"/?{long_query}"):
            ours.sendall(request(target))
            assert receive(ours).status == 200
        ours.shutdown(socket.SHUT_WR)
        serving.get()

    next_request = [("timeout_ctx", ""), ("handle_request", "BoundedRequest")]
    assert worker.called == [*next_request, *next_request, ("timeout_ctx", "")]
    assert re.fullmatch(
        rf'127.0.0.1 - - \[.+\] "GET / HTTP/1.1" 200 2 "-" "-"\n.+\?{long_query} HTTP/1.1" 200 2 "-" "-"\n',
        capfd.readouterr().out,
    )


def test_sqlalchemy_drops_a_connection_that_a_gevent_timeout_interrupts() -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.QueuePool)
    connected = []
    sqlalchemy.event.listen(engine, "connect", lambda connection, _record: connected.append(connection))

    def interrupt(*_: object) -> None:
        raise gevent.Timeout

    sqlalchemy.event.listen(engine, "do_execute", interrupt)
    for _ in range(2):
        with pytest.raises(gevent.Timeout), engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()

    assert len(connected) == 2


def test_openai_passes_on_the_start_of_an_answer_before_its_end() -> None:
    openai = pytest.importorskip("openai")
    start_arrived = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.recv(65_536)  # the request's body
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + b"{" * 4)
        start_arrived.wait(PATIENCE)
        connection.sendall(b"}" * 4)

    with serving() as endpoint:
        endpoint.behaviours[b""] = (behave,)
        with (
            openai.OpenAI(
                base_url=f"http://127.0.0.1:{endpoint.port}", api_key="none", max_retries=0
            ) as client,
            client.chat.completions.with_streaming_response.create(
                model="m", messages=[], timeout=PATIENCE / 2
            ) as response,
        ):
            chunks = response.iter_bytes(4)
            assert next(chunks) == b"{" * 4
            start_arrived.set()
            assert next(chunks) == b"}" * 4
