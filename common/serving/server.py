"""A service under gunicorn, with one set of options that fits a container."""

import gc
import json
import logging
import math
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.errors import AppImportError

from common.contract import MAX_CONNECT_SECONDS, error_fields
from common.drain import remove_flag
from common.serving.request_limits import MAX_REQUEST_LINE_BYTES
from common.settings import ServiceSettings, SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WORKER_MODULE = "common.serving.worker"


def serve(service: str) -> None:
    """Serve a service until SIGTERM.

    Args:
        service: its package, which has `settings.Settings` and `app.create_app(settings)`.

    Raises:
        SystemExit: a setting is not allowed or the port is taken; one line says which.
    """
    server = Server(service)
    settings = server.settings
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host.strip("[]"), settings.port), family=family).close()
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]  # create_server says the address once more
        raise SystemExit(f"HOST={settings.host} PORT={settings.port}: cannot listen: {why}") from None
    remove_flag()
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())  # every log, gunicorn's too, goes to stdout
    _, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))  # two a request in flight
    print(f"{service} starts: {settings}", flush=True)  # noqa: T201  before gunicorn has a logger
    server.run()


def options(settings: ServiceSettings) -> dict[str, Any]:
    """Return gunicorn's options for the settings."""
    return {
        "bind": f"{settings.host}:{settings.port}",
        "workers": settings.workers,
        "worker_class": f"{WORKER_MODULE}.Worker",
        # Idle callers and probes hold connections too, so many more than requests in flight.
        "worker_connections": 4 * settings.max_in_flight,
        # Who closes first decides who can lose a request, so load balancers should; kept by Connection.
        "keepalive": settings.idle_timeout,
        "graceful_timeout": graceful_timeout(settings),
        # The heartbeat is a file: on a disk it can block, and a Pod can write only here.
        "worker_tmp_dir": tempfile.gettempdir(),
        "control_socket_disable": True,  # nobody uses it, and it needs a place to write
        "forwarded_allow_ips": "",  # or callers on localhost could make a 500 with a SCRIPT_NAME
        "limit_request_line": MAX_REQUEST_LINE_BYTES,
        "logger_class": "common.serving.access_log.AccessLogger",
        "accesslog": "-" if settings.access_log else None,
    }


def graceful_timeout(settings: ServiceSettings) -> int:
    """Return the seconds from SIGTERM until requests are cut off: the slowest answer and a margin."""
    return math.ceil(MAX_CONNECT_SECONDS + settings.answer_timeout) + 2


class Server(BaseApplication):  # type: ignore[misc]  # untyped
    """gunicorn with options from settings instead of a command line."""

    cfg: Any  # gunicorn.config.Config

    def __init__(self, service: str) -> None:
        self.service = service
        self.reloaded = False
        super().__init__()

    def load_config(self) -> None:
        """Read the settings; bad ones end the process before anything listens."""
        settings_class = import_module(f"{self.service}.settings").Settings
        self.settings: ServiceSettings = settings_class.from_environ(os.environ)
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
        gc.freeze()  # what stays for good need not be looked through again and again
        return app

    def reload(self) -> None:
        """Serve the code that is there now, also what this process had imported; called on SIGHUP."""
        self.reloaded = True
        sys.dont_write_bytecode = True  # it cannot tell apart two edits within a second
        log = logging.getLogger("gunicorn.error")
        before = self.cfg, self.settings
        ours = [name for name in sys.modules if name.startswith((f"{self.service}.", "common."))]
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
    body = json.dumps(error_fields(500, exc, service)).encode()

    def app(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "application/json")])
        return [body]

    return app
