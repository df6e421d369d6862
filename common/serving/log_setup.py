"""Where a process's log goes: everything that it logs or prints, to standard output."""

import atexit
import io
import logging
import os
import sys
from collections.abc import Mapping
from types import TracebackType

from common.resource import pod_name, resource_attributes
from common.serving.log_lines import LogLines
from common.serving.log_stream import LogStream

# What is printed without an end of line is not held for longer (characters).
MAX_PRINTED = 8192
STDIN, STDOUT, STDERR = range(3)


def start_logging(service: str, environ: Mapping[str, str]) -> LogStream:
    """Send what this process and its children log and print to standard output; return that stream.

    Where that is closed, it is standard error; where both are, nothing is logged.

    Called before the settings are known, since those that are refused are logged, too: a LOG_FORMAT or
    OTEL_RESOURCE_ATTRIBUTES that is not allowed counts as missing.
    """
    try:
        attributes = resource_attributes(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    except ValueError:
        attributes = {}
    open_standard_streams()
    chosen = environ.get("LOG_FORMAT")
    is_json = chosen == "json" or (chosen != "text" and not os.isatty(STDOUT))
    lines = LogLines(service, pod_name(attributes), is_json=is_json)
    os.dup2(STDOUT, STDERR)
    stream = LogStream(STDOUT, lines)
    sys.stdout = PrintedLines(stream, "INFO") if is_json else stream
    sys.stderr = PrintedLines(stream, "ERROR") if is_json else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(lines)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Modules go piece by piece then: handlers that are collected miss gevent's locks, and would print it.
    atexit.register(setattr, sys, "unraisablehook", ignore)
    logging.captureWarnings(capture=True)
    for name in (service, "common"):
        logging.getLogger(name).setLevel(logging.INFO)
    sys.excepthook = log_exception
    return stream


def open_standard_streams() -> None:
    """Open those that are closed (`>&-`): the next file or socket would get their numbers, and the log."""
    for number in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
            os.set_inheritable(nothing, True)  # noqa: FBT003  it takes no name
    if sys.stdout is None and sys.stderr is not None:  # as they were at the start of the process
        os.dup2(STDERR, STDOUT)


def log_exception(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """Log an exception that nobody has caught."""
    logging.getLogger("common").critical("uncaught exception", exc_info=(kind, error or kind(), trace))


def ignore(_: object) -> None:
    """Do nothing."""


class PrintedLines(io.TextIOBase):
    """A text stream that makes a log line of each line that is printed.

    Args:
        stream: the log.
        level: of what is printed.
    """

    encoding = LogStream.encoding
    errors = LogStream.errors

    def __init__(self, stream: LogStream, level: str) -> None:
        self.stream, self.level = stream, level
        self.unfinished = ""

    def fileno(self) -> int:
        return self.stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        """Log the lines that are complete."""
        *complete, self.unfinished = f"{self.unfinished}{text}".split("\n")
        if len(self.unfinished) > MAX_PRINTED:
            complete, self.unfinished = [*complete, self.unfinished], ""
        for line in filter(str.strip, complete):
            self.stream.write(f"{self.stream.lines.message(self.level, line)}\n")
        return len(text)
