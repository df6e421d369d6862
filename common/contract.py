"""What both services promise to their callers and to each other."""

from typing import Any

# Kubernetes' probes; each service answers them itself, and they stay out of the access log.
PROBE_PATHS = ("/healthz", "/readyz")
# Longest query (bytes, percent-encoded): 4,000 characters of any script, at most 12 bytes each, and room.
MAX_QUERY_BYTES = 60_000
# Longest time to connect to an upstream, retries included (seconds).
MAX_CONNECT_SECONDS = 3.0


def error_fields(status: int, exc: str, source: str) -> dict[str, Any]:
    """Return the JSON fields of an error.

    Args:
        status: the HTTP status.
        exc: what went wrong and what is allowed, for the caller.
        source: the service that answers.
    """
    return {"status_code": status, "exc": exc, "source": source}
