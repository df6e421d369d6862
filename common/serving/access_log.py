"""The log of a service: gunicorn's logger with a line of our own for each request."""

import re
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.wsgi import Response

from common.callers import caller_behind
from common.contract import LOG_FIELDS, PROBE_PATHS, ROUTE
from common.serving.log_lines import quoted
from common.serving.log_stream import LogStream
from common.trace_context import TRACE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Parameter names of a query that are logged; what else it has may be anything.
PARAMETER = re.compile(r"(?:^|&)([A-Za-z0-9_.-]{1,40})=")
MAX_PARAMETERS, MAX_SEARCHED = 20, 1000  # the latter in characters


class AccessLogger(Logger):  # type: ignore[misc]  # untyped
    """gunicorn's logger, which leaves its messages to the root logger and writes requests itself.

    Args:
        cfg: gunicorn's configuration.
        stream: where lines go.
        proxies: TRUSTED_PROXIES.
    """

    def __init__(self, cfg: Config, stream: LogStream, proxies: str = "") -> None:
        self.stream = stream
        self.proxies = proxies
        # Called with each request's environ, status and seconds.
        self.observe: Callable[[WSGIEnvironment, str, float], None] | None = None
        super().__init__(cfg)

    def setup(self, cfg: Config) -> None:
        """Take up a configuration."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.access_log.handlers.clear()
        self.error_log.propagate = True

    def access(self, resp: Response, _req: Any, environ: "WSGIEnvironment", _time: Any) -> None:  # noqa: ANN401
        """Log a request, unless it is a probe."""
        if environ["PATH_INFO"] in PROBE_PATHS:
            return
        connection, status = environ["gunicorn.socket"], resp.status[:3]
        seconds = monotonic() - connection.began
        if connection.environ:  # no answer has begun
            connection.environ = None
            self.count(environ, status, seconds)
        if not self.access_log_enabled:
            return
        address, forwarded_for = environ["REMOTE_ADDR"], environ.get("HTTP_X_FORWARDED_FOR")
        if forwarded_for and self.proxies:
            address = caller_behind(self.proxies, address, forwarded_for)
        self.write(
            f"{request_fields(environ['REQUEST_METHOD'], environ['RAW_URI'], status, resp.sent, seconds)},"
            f'"route":{quoted(environ.get(ROUTE, ""))},"caller":"{address}",'
            f'"user_agent":{quoted(environ.get("HTTP_USER_AGENT", ""))},'
            f'"trace_id":"{environ.get(TRACE_ID, "")}"{environ.get(LOG_FIELDS, "")}'
        )

    def count(self, environ: "WSGIEnvironment", status: str, seconds: float) -> None:
        """Count a request, unless it is a probe or nobody counts."""
        if self.observe and environ.get("PATH_INFO") not in PROBE_PATHS:
            self.observe(environ, status, seconds)

    def write(self, fields: str) -> None:
        """Write a line with fields that are JSON already, unless requests are not logged."""
        if self.access_log_enabled:
            self.stream.write(f"{self.stream.lines.line('INFO', fields)}\n")


def request_fields(method: str, target: str, status: str, size: int, seconds: float) -> str:
    """Return what a request's line has of itself and its answer."""
    path, _, query = target.partition("?")
    more = query and query_fields(query)
    return (
        f'"method":{quoted(method)},"path":{quoted(path)}{more},'
        f'"status":{status},"ms":{1000 * seconds:.1f},"bytes":{size}'
    )


def query_fields(query: str) -> str:
    """Return what is logged of a query: never a value, nor what may be one."""
    names = ",".join(f'"{name}"' for name in PARAMETER.findall(query, 0, MAX_SEARCHED)[:MAX_PARAMETERS])
    return f',"parameters":[{names}],"query_bytes":{len(query)}'
