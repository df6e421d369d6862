"""What both services promise to their callers and to each other."""

from typing import Any

# Kubernetes' probes; each service answers them itself, and they stay out of the access log.
PROBE_PATHS = ("/healthz", "/readyz")
# What a service answers itself, in whatever spelling; no logic may claim one, and the client passes none on.
RESERVED_PATHS = ("/healthz", "/readyz", "/version", "/openapi.json")
# In a request's environ, for whoever tells of it: the route that its path matches, why it was refused, how
# the call to the backend went (outcome, seconds, tries), and which Pod answered it, perhaps with its node.
ROUTE, REFUSED, CALL, POD = "common.route", "common.refused", "common.call", "common.pod"
# And more fields of its log line as JSON, each after a comma.
LOG_FIELDS = "common.log_fields"
# The methods that a logic may answer, and that the client passes on.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# Those that metrics and traces call by name; any other is one.
NAMED_METHODS = {*METHODS, "OPTIONS"}
# What a caller is told of an error that only the log explains.
INTERNAL_ERROR = "internal error; the service's log has the details"
# Longest query (bytes, percent-encoded): 4,000 characters of any script, at most 12 bytes each, and room.
MAX_QUERY_BYTES = 60_000
# Longest time to connect to an upstream, retries included (seconds).
MAX_CONNECT_SECONDS = 3.0
# What they change, they change no more when they are done twice (RFC 9110 section 9.2.2).
IDEMPOTENT_METHODS = ("GET", "HEAD", "PUT", "DELETE")


def with_warning(exc: str | None, method: str) -> str:
    """Return what went wrong after a request was sent, with a warning where repeating it could do harm."""
    return f"{exc}" if method in IDEMPOTENT_METHODS else f"{exc}; the {method} may have been executed"


def error_fields(status: int, exc: str, source: str, trace_id: str = "") -> dict[str, Any]:
    """Return the JSON fields of an error.

    Args:
        status: the HTTP status.
        exc: what went wrong and what is allowed, for the caller.
        source: the service that answers.
        trace_id: by which the request can be found in the logs.
    """
    fields = {"status_code": status, "exc": exc, "source": source}
    return fields | {"trace_id": trace_id} if trace_id else fields
