"""The process that answers Prometheus, apart from the workers, which may be busy or draining."""

import os
import platform
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from socketserver import ThreadingMixIn
from time import sleep
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from common.drain import FLAG
from common.listening import listen
from common.settings import ServiceSettings
from common.telemetry.slots import folder_of, make_folder
from common.version import VERSION

# Scrapes at once; any more are closed.
MAX_SCRAPES = 8
# To send a request, and between its bytes (seconds).
TIMEOUT = 5
# How often a process looks whether another one has ended (seconds).
INTERVAL = 0.25


def start_exporter(service: str, settings: ServiceSettings) -> None:
    """Start the process, unless METRICS_PORT is 0.

    Raises:
        SystemExit: the port cannot be listened on.
    """
    port = settings.metrics_port
    if not port:
        return
    listener = listen(settings.host, port, "METRICS_PORT")
    make_folder(port)
    with listener:
        child_of(lambda master: keep(master, listener, registry(service, settings)))


def child_of(function: Callable[[int], object]) -> int:
    """Call a function with this process's id in a new process, which then ends; return the new one's id."""
    parent = os.getpid()
    if child := os.fork():
        return child
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C; it ends with its parent
    try:
        function(parent)
    finally:
        os._exit(0)


def keep(master: int, listener: socket.socket, metrics: CollectorRegistry) -> None:
    """Serve in another process until the master ends; start one again where that ends alone."""
    server = 0
    while os.getppid() == master:
        if not server or os.waitpid(server, os.WNOHANG) != (0, 0):
            server = child_of(
                lambda keeper: ExporterServer(listener, keeper, metrics).serve_forever(INTERVAL)
            )
        sleep(INTERVAL)


def registry(service: str, settings: ServiceSettings) -> CollectorRegistry:
    """Return what is answered."""
    it = CollectorRegistry()
    MultiProcessCollector(it, path=str(folder_of(settings.metrics_port)))  # type: ignore[no-untyped-call]
    it.register(ProcessCollector(service, settings))
    return it


class ProcessCollector:
    """What is true of all workers."""

    def __init__(self, service: str, settings: ServiceSettings) -> None:
        self.build = {
            "service": service,
            "version": VERSION,
            "commit": settings.git_commit,
            "python": platform.python_version(),
        }

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        yield GaugeMetricFamily("draining", "Whether the Pod is about to stop", value=float(FLAG.exists()))
        build = GaugeMetricFamily("build_info", "What runs", labels=list(self.build))
        build.add_metric(list(self.build.values()), 1)
        yield build


class Handler(WSGIRequestHandler):
    """A request for the metrics, which is not logged."""

    timeout = TIMEOUT

    def log_message(self, *_: object) -> None:
        pass


class ExporterServer(ThreadingMixIn, WSGIServer):
    """A server on a socket that listens already, which ends with its parent process."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, parent: int, metrics: CollectorRegistry) -> None:
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.parent = parent
        self.server_name, self.server_port = "", listener.getsockname()[1]
        self.setup_environ()
        self.set_app(make_wsgi_app(metrics))
        self.scrapes = threading.BoundedSemaphore(MAX_SCRAPES)

    def service_actions(self) -> None:
        """End with the parent."""
        if os.getppid() != self.parent:
            os._exit(0)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer in a thread, unless there are too many."""
        if self.scrapes.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.scrapes.release()
