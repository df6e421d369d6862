"""A service under gunicorn, with one set of options that fits a container."""

import gc
import json
import logging
import os
import resource
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.errors import AppImportError

from common.contract import error_fields
from common.drain import remove_flag
from common.listening import listen
from common.serving.arbiter import Arbiter
from common.serving.handover import Handover
from common.serving.log_setup import start_logging
from common.serving.log_stream import LogStream
from common.serving.parts import start_parts
from common.serving.request_limits import MAX_REQUEST_LINE_BYTES
from common.serving.stopping import graceful_timeout
from common.settings import ServiceSettings, SettingsError
from common.trace_context import TRACE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WORKER_MODULE = "common.serving.worker"
# For each request in flight, since idle callers and probes hold connections, too.
CONNECTIONS = 4
# What a process opens beside callers' connections and one to an upstream for each request in flight.
OTHER_FILES = 36


def serve(service: str) -> None:
    """Serve a service until SIGTERM.

    Args:
        service: its package, which has `settings.Settings` and `app.create_app(settings)`.

    Raises:
        SystemExit: a setting is not allowed or the port is taken; a line of the log says which.
    """
    log = start_logging(service, os.environ)
    try:
        server = prepared(service, log)
    except SystemExit as error:
        for line in str(error).splitlines():
            logging.getLogger(service).critical(line)
        sys.exit(1)
    server.run()


def prepared(service: str, log: LogStream) -> "Server":
    """Return a service that may be served.

    Raises:
        SystemExit: a line for each reason why it may not.
    """
    server = Server(service, log)
    settings = server.settings
    listen(settings.host, settings.port, "PORT").close()
    remove_flag()
    _, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))
    os.environ.pop("SCRIPT_NAME", None)  # gunicorn would answer a 500 to every path outside of it
    start_parts(service, settings)
    logging.getLogger(service).info("%s starts: %s", service, settings)
    return server


def within_open_files(settings: ServiceSettings) -> ServiceSettings:
    """Return the settings with a MAX_IN_FLIGHT whose connections fit the limit on open files.

    At that limit no connection is accepted until another one is closed, and idle ones may last for hours.
    """
    _, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(1, (max_files - OTHER_FILES) // (CONNECTIONS + 1))
    if max_files == resource.RLIM_INFINITY or settings.max_in_flight <= most:
        return settings
    logging.getLogger("common").warning(
        "MAX_IN_FLIGHT=%s instead of %s: at most %s open files", most, settings.max_in_flight, max_files
    )
    return replace(settings, max_in_flight=most)


def options(settings: ServiceSettings) -> dict[str, Any]:
    """Return gunicorn's options for the settings."""
    return {
        "bind": f"{settings.host}:{settings.port}",
        "workers": settings.workers,
        "worker_class": f"{WORKER_MODULE}.Worker",
        "worker_connections": CONNECTIONS * settings.max_in_flight,
        # Longer than load balancers keep idle connections: whoever closes one may cut off a request that
        # the other has just sent. Enforced by Connection.
        "keepalive": settings.idle_timeout,
        "graceful_timeout": graceful_timeout(settings),
        # The heartbeat is a file: on a disk it can block, and a Pod can write only here.
        "worker_tmp_dir": tempfile.gettempdir(),
        "control_socket_disable": True,  # unused, and it would need a place to write
        "forwarded_allow_ips": "",  # or callers on localhost could make a 500 with a SCRIPT_NAME
        "limit_request_line": MAX_REQUEST_LINE_BYTES,
        "accesslog": "-" if settings.access_log else None,
        "worker_exit": close_application,
        "pre_request": lambda _worker, _request: None,  # gunicorn's writes a line for debugging
    }


def close_application(_arbiter: object, worker: Any) -> None:  # noqa: ANN401  gunicorn's
    """Let the application clean up; called in each worker that ends."""
    getattr(worker.app.callable, "extensions", {}).get("close", lambda: None)()


class Server(BaseApplication):  # type: ignore[misc]  # untyped
    """gunicorn with options from settings instead of a command line."""

    cfg: Any  # gunicorn.config.Config

    def __init__(self, service: str, log: LogStream) -> None:
        self.service = service
        self.log = log
        self.reloaded = False
        self.handover = Handover()
        super().__init__()

    def run(self) -> None:
        """Serve until SIGTERM."""
        Arbiter(self).run()

    def load_config(self) -> None:
        """Read the settings; bad ones end the process before anything listens."""
        settings_class = import_module(f"{self.service}.settings").Settings
        self.settings: ServiceSettings = within_open_files(settings_class.from_environ(os.environ))
        for name, value in options(self.settings).items():
            self.cfg.set(name, value)

    def load(self) -> "WSGIApplication":
        """Return the application; called in each worker."""
        try:
            app: WSGIApplication = import_module(f"{self.service}.app").create_app(self.settings)
        except (Exception, SettingsError) as error:
            if not self.reloaded:
                if isinstance(error, SettingsError):
                    raise AppImportError(str(error)) from None  # gunicorn prints it, and stops trying
                raise
            # Development: an unfinished edit must not end the container, and other edits with it.
            logging.getLogger("gunicorn.error").exception("the new code does not load")
            return failing_app(self.service, error)
        gc.freeze()  # the garbage collector need not examine again what lives as long as the process
        return app

    def reload(self) -> None:
        """Serve the code that is there now, also what this process had imported; called on SIGHUP."""
        self.reloaded = True
        sys.dont_write_bytecode = True  # it cannot tell apart two edits within a second
        log = logging.getLogger("gunicorn.error")
        before = self.cfg, self.settings
        names = (f"{self.service}.", "common.", type(self.settings).__module__)  # a logic's may be elsewhere
        ours = [name for name in sys.modules if name.startswith(names)]
        modules = {name: sys.modules.pop(name) for name in ours}
        try:
            super().reload()
        except SystemExit as error:
            log.error("settings stay as they were: %s", error)  # noqa: TRY400
            self.cfg, self.settings = before
        try:
            import_module(WORKER_MODULE)
        except Exception:
            # gunicorn imports it next, and would end if it could not.
            log.exception("the worker stays as it was")
            sys.modules[WORKER_MODULE] = modules[WORKER_MODULE]


def failing_app(service: str, error: BaseException) -> "WSGIApplication":
    """Return an application whose every answer is a 500 that says that the code does not load."""
    exc = f"the code does not load: {type(error).__name__}"

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "application/json")])
        return [json.dumps(error_fields(500, exc, service, environ[TRACE_ID])).encode()]

    return app
