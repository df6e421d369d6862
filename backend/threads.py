"""Threads for what computes, or waits in C: the event loop goes on serving everybody else meanwhile."""

from collections.abc import Callable
from contextvars import copy_context
from functools import cache, wraps
from inspect import isgeneratorfunction
from typing import ParamSpec, TypeVar

import gevent
from flask import current_app, request
from gevent.threadpool import ThreadPool
from werkzeug.exceptions import GatewayTimeout, ServiceUnavailable

from common.contract import with_warning

# In a process. They share its cores, and what computes in Python shares one.
MAX_THREADS = 8

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function or view of a logic to run in a thread, where `flask.request` works as usual.

    The call raises what the function raises, ServiceUnavailable while MAX_THREADS are busy, and
    GatewayTimeout after ANSWER_TIMEOUT. A thread cannot be interrupted: it is busy until the function ends.

    Raises:
        TypeError: the function yields, which would happen outside of the thread.
    """
    if isgeneratorfunction(function):
        raise TypeError(f"@in_thread {function.__name__}: it yields; allowed: a function that returns")

    @wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if len(pool()) >= MAX_THREADS:
            raise ServiceUnavailable(f"more than {MAX_THREADS} threads of the logic at once", retry_after=1)
        # Now, since only this thread can read from the caller's socket.
        request.get_data(parse_form_data=True)
        seconds = current_app.config["ANSWER_TIMEOUT"]
        call = pool().spawn(outcome, copy_context().run, function, *args, **kwargs)
        try:
            result, error = call.get(timeout=seconds)
        except gevent.Timeout:
            late = f"the logic did not answer within {seconds:g} s"
            raise GatewayTimeout(with_warning(late, request.method)) from None
        if error:
            raise error
        return result  # type: ignore[no-any-return]  # gevent has no types

    return run


@cache
def pool() -> ThreadPool:
    """Return the threads of this process."""
    return ThreadPool(MAX_THREADS)


def outcome(
    function: Callable[..., Result], *args: object, **kwargs: object
) -> tuple[object, BaseException | None]:
    """Return a result and an error; gevent would print what a thread raises, also what is expected."""
    try:
        return function(*args, **kwargs), None
    except BaseException as error:  # noqa: BLE001  raised where the result is awaited
        return None, error
