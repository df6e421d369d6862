"""Trace ids, taken over from the caller or made here: W3C Trace Context (w3.org/TR/trace-context)."""

import re
from collections.abc import Iterable
from random import getrandbits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# In a request's environ: its trace id and, if it was taken over, the caller's span.
TRACE_ID, PARENT_ID = "common.trace_id", "common.parent_id"
# Version, trace id, parent id, flags; what a later version adds is left out.
TRACEPARENT = re.compile(
    r"(?:00|(?!ff)[0-9a-f]{2}(?=.{53}(?:-|$)))-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})"
)
LENGTH = 55
MAX_STATE, MAX_MEMBERS = 512, 32
MEMBER = re.compile(
    r"[ \t]*([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~][ \t]*|[ \t]*"
)


def with_trace_id(app: "WSGIApplication") -> "WSGIApplication":
    """Return the application, each of whose requests has a trace id, a traceparent and no bad tracestate."""

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_TRACEPARENT" in environ or "HTTP_TRACESTATE" in environ:
            environ[TRACE_ID] = take_over(environ)
        else:
            environ[TRACE_ID], environ["HTTP_TRACEPARENT"] = new_trace()
        return app(environ, start_response)

    return wsgi_app


def new_trace() -> tuple[str, str]:
    """Return a new trace id, and a traceparent with it that says that it is not sampled."""
    both = f"{getrandbits(192):048x}"
    return both[:32], f"00-{both[:32]}-{both[32:]}-00"


def take_over(environ: "WSGIEnvironment") -> str:
    """Return the trace id of a valid traceparent, else a new one; leave in environ what may be passed on."""
    sent, state = environ.get("HTTP_TRACEPARENT", ""), environ.pop("HTTP_TRACESTATE", "")
    parts = parse(sent)
    if not parts:
        trace_id, environ["HTTP_TRACEPARENT"] = new_trace()
        return trace_id
    trace_id, parent_id, flags = parts
    environ[PARENT_ID] = parent_id
    environ["HTTP_TRACEPARENT"] = f"00-{trace_id}-{parent_id}-{flags:02x}"
    if is_well_formed(state):
        environ["HTTP_TRACESTATE"] = state
    return trace_id


def parse(traceparent: str) -> tuple[str, str, int] | None:
    """Return the trace id, the parent's id and the flags of a valid traceparent."""
    match = TRACEPARENT.match(traceparent)
    if not match or (len(traceparent) > LENGTH and traceparent.startswith("00")):
        return None
    return match[1], match[2], int(match[3], 16) & 3  # sampled, random: the flags that are defined


def is_well_formed(state: str) -> bool:
    """Return whether a tracestate may be passed on."""
    members = state.split(",")
    if not state.strip() or len(state) > MAX_STATE or len(members) > MAX_MEMBERS:
        return False
    keys = [match[1] for match in map(MEMBER.fullmatch, members) if match]
    named = [key for key in keys if key]
    return len(keys) == len(members) and len(named) == len(set(named))
