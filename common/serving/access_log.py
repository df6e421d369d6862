"""The access log: gunicorn's logger with a cheaper line for each request."""

import sys
from contextlib import suppress
from functools import lru_cache
from time import localtime, strftime, time
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger
from gunicorn.http.wsgi import Response

from common.contract import PROBE_PATHS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class AccessLogger(Logger):  # type: ignore[misc]  # untyped
    """gunicorn's logger, which formats only what a line shows; gunicorn's own collects every field first."""

    def access(self, resp: Response, _req: Any, environ: "WSGIEnvironment", _time: Any) -> None:  # noqa: ANN401
        """Write a line in the combined format, gunicorn's default (httpd.apache.org/docs/2.4/logs.html)."""
        # Without a path where gunicorn refused the request.
        if not self.access_log_enabled or environ.get("PATH_INFO") in PROBE_PATHS:
            return
        request = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}"
        referer, agent = environ.get("HTTP_REFERER", "-"), environ.get("HTTP_USER_AGENT", "-")
        request, referer, agent = (text.replace('"', '\\"') for text in (request, referer, agent))
        status, now = resp.status.partition(" ")[0], timestamp(int(time()))
        line = f'{environ["REMOTE_ADDR"]} - - {now} "{request}" {status} {resp.sent} "{referer}" "{agent}"'
        with suppress(OSError):  # requests must not fail with the log
            sys.stdout.write(f"{line}\n")  # at once; print() makes two writes, and workers would mix theirs
            sys.stdout.flush()


@lru_cache(1)
def timestamp(seconds: int) -> str:
    """Return the time in the combined format; formatted once a second."""
    return strftime("[%d/%b/%Y:%H:%M:%S %z]", localtime(seconds))
