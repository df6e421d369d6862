"""What gunicorn makes anew for each request, made once."""

from functools import lru_cache
from time import time

from gunicorn import util
from gunicorn.http import wsgi

format_http_date = util.http_date


def cache_for_requests() -> None:
    """Let requests share the Date header of a second, and `wsgi.errors`; called once in each worker."""
    util.http_date = http_date
    wsgi.WSGIErrorsWrapper = lru_cache(1)(wsgi.WSGIErrorsWrapper)  # called with the configuration


def http_date(timestamp: float | None = None) -> str:
    """Return a time, the current one without `timestamp`, as RFC 9110 section 5.6.7 writes it."""
    return of_second(int(time() if timestamp is None else timestamp))


@lru_cache(1)
def of_second(seconds: int) -> str:
    formatted: str = format_http_date(seconds)
    return formatted
