"""Log lines: one JSON object each, or text where somebody reads them on a terminal."""

import json
import logging
import sys
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from time import gmtime, strftime, time
from typing import TYPE_CHECKING, Any

from common.redaction import redacted, traceback_text
from common.text import shortened
from common.trace_context import TRACE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# With more, a line could be mixed with another process's: a pipe takes 4,096 bytes at once.
MAX_TEXT = 500
# What every line has, and what text shows of a request.
COMMON = ("time", "level", "service", "pod")
REQUEST = ("method", "path", "status", "ms", "route")


class LogLines(logging.Formatter):
    """The lines of a service's processes; a formatter for those of libraries.

    Args:
        service: its name.
        pod: the Pod's name, or the host's.
        is_json: JSON rather than text.
    """

    def __init__(self, service: str, pod: str, *, is_json: bool) -> None:
        super().__init__()
        self.is_json = is_json
        self.origin = f'"service":{quoted(service)},"pod":{quoted(pod)}'

    def line(self, level: str, fields: str) -> str:
        """Return a line with fields that are JSON already."""
        line = f'{{"time":"{now()}","level":"{level}",{self.origin},{fields}}}'
        return line if self.is_json else as_text(json.loads(line))

    def message(self, level: str, message: str) -> str:
        """Return a line with nothing but a message."""
        return self.line(level, f'"message":{json.dumps(message)}')

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with the trace id of the request in whose handler it was logged."""
        environ = current_environ()
        message = record.getMessage()
        fields = {"logger": record.name, "message": redacted(message, environ) if environ else message}
        if environ and TRACE_ID in environ:
            fields["trace_id"] = environ[TRACE_ID]
        fields |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1]:
            fields["traceback"] = traceback_text(record.exc_info[1], environ)
        return self.line(record.levelname, json.dumps(fields, separators=(",", ":"))[1:-1])


def current_environ() -> "WSGIEnvironment | None":
    """Return the environ of the request that is being answered, if any."""
    flask = sys.modules.get("flask")  # not imported here: the master has no use for it
    return flask.request.environ if flask and flask.has_request_context() else None


def quoted(text: str) -> str:
    """Return a text of a request, which is Latin-1 to WSGI, as a JSON string."""
    if not text.isascii():
        text = text.encode("latin-1", "backslashreplace").decode(errors="backslashreplace")
    return encode_basestring_ascii(shortened(text, MAX_TEXT))


def now() -> str:
    """Return the time in UTC with milliseconds."""
    seconds = time()
    whole = int(seconds)
    return f"{of_second(whole)}.{int(1000 * (seconds - whole)):03}Z"


@lru_cache(1)
def of_second(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))


def as_text(fields: dict[str, Any]) -> str:
    """Return a line for people."""
    shown = [f"{fields['time'][11:-1]} {fields['level']:<8} {fields.get('message', request_text(fields))}"]
    hidden = (*COMMON, "message", "logger", "traceback", *REQUEST)
    shown += [f"{name}={value}" for name, value in fields.items() if name not in hidden]
    line = escaped(" ".join(shown))
    return f"{line}\n{fields['traceback']}" if "traceback" in fields else line


def request_text(fields: dict[str, Any]) -> str:
    """Return the request of a line."""
    return "{} {} {} {} ms".format(*(fields.get(name, "-") for name in REQUEST[:4]))


def escaped(line: str) -> str:
    """Return a line without control characters, which a terminal would heed."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
