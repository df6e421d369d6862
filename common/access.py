"""The log: gunicorn's, with a cheaper line for each request."""

from contextlib import suppress
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
        with suppress(OSError):  # requests must not fail with the log
            print(
                f'{environ["REMOTE_ADDR"]} - - {self.now()} "{request}" {answer} "{referer}" "{agent}"',
                flush=True,
            )
