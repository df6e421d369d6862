"""The log: gunicorn's, with a cheaper line for each request."""

import sys
from contextlib import suppress
from functools import lru_cache
from time import localtime, strftime, time
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger
from gunicorn.http.wsgi import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


# Their requests come every few seconds and would drown the rest.
PROBES = ("/healthz", "/readyz")


class Log(Logger):  # type: ignore[misc]  # untyped
    """gunicorn's log, but a line is made of what it shows; gunicorn first collects what it could show."""

    def access(self, resp: Response, _req: Any, environ: "WSGIEnvironment", _time: Any) -> None:  # noqa: ANN401
        """Write a line in the combined format, gunicorn's default (httpd.apache.org/docs/2.4/logs.html)."""
        if not self.access_log_enabled or environ.get("PATH_INFO") in PROBES:  # none where gunicorn refused
            return
        request = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}"
        referer, agent = environ.get("HTTP_REFERER", "-"), environ.get("HTTP_USER_AGENT", "-")
        request, referer, agent = (text.replace('"', '\\"') for text in (request, referer, agent))
        answer = f"{resp.status.partition(' ')[0]} {resp.sent}"
        line = f'{environ["REMOTE_ADDR"]} - - {clock(int(time()))} "{request}" {answer} "{referer}" "{agent}"'
        with suppress(OSError):  # requests must not fail with the log
            sys.stdout.write(f"{line}\n")  # at once; print() makes two writes, and workers would mix theirs
            sys.stdout.flush()


@lru_cache(1)
def clock(seconds: int) -> str:
    """The time as a line has it, written once a second."""
    return strftime("[%d/%b/%Y:%H:%M:%S %z]", localtime(seconds))
