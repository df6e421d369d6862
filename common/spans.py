"""Spans: what a request waits for that is traced. They are only noted here; common.tracing sends them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import getrandbits
from time import time_ns
from typing import Any

from common.serving.log_lines import current_environ

# In the environ of a request that is traced: its Trace.
TRACE = "common.trace"


class Span:
    """A part of a trace, under the names of opentelemetry.io/docs/specs/semconv.

    Args:
        name: as a tracing tool shows it.
        attributes: texts and numbers by name; more may be added until the span ends.
    """

    def __init__(self, name: str, attributes: Mapping[str, Any]) -> None:
        self.id = f"{getrandbits(64):016x}"
        self.name = name
        self.attributes: dict[str, Any] = dict(attributes)
        self.began, self.ended = time_ns(), 0


class Trace:
    """The spans of a request.

    Args:
        trace_id: 32 hexadecimal digits.
        flags: those of the traceparent.
        parent_id: the caller's span, "" if there is none.
    """

    def __init__(self, trace_id: str, flags: int, parent_id: str) -> None:
        self.id, self.flags, self.parent_id = trace_id, flags, parent_id
        self.request = Span("", {})
        self.waits: list[Span] = []

    def traceparent(self, span: Span) -> str:
        """Return what is sent to somebody whose own spans are to be below this one."""
        return f"00-{self.id}-{span.id}-{self.flags:02x}"

    @contextmanager
    def waiting(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        """Note what the block waits for as a span."""
        span = Span(name, attributes)
        self.waits.append(span)
        try:
            yield span
        except Exception as error:
            span.attributes.setdefault("error.type", type(error).__name__)
            raise
        finally:
            span.ended = time_ns()


@contextmanager
def waiting(name: str, attributes: Mapping[str, Any]) -> Iterator[Span | None]:
    """Note what the block waits for as a span, if the request is traced."""
    environ = current_environ()
    if not environ or TRACE not in environ:
        yield None
        return
    with environ[TRACE].waiting(name, attributes) as span:
        yield span
