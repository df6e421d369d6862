"""Errors in words: what happened, who is at fault, and what to do now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.contract import CALL, REFUSED

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

QUERY, BACKEND, LOAD, CLIENT = "your query", "the backend", "too much load", "this client"


@dataclass(frozen=True)
class Problem:
    """What is said of an error."""

    happened: str
    fault: str
    advice: str


CHANGE = "Change it as the message above says, and ask again."
WAIT = "Ask again in a few seconds. If it lasts, report it."
# What is the caller's to change; any other status from 400 to 499 is like 400.
CALLERS = {
    400: Problem("The query is not understood.", QUERY, CHANGE),
    401: Problem("The backend does not know who is asking.", QUERY, "Ask with credentials that it accepts."),
    403: Problem("The backend does not allow this.", QUERY, "Ask for something else, or for permission."),
    404: Problem("There is nothing at this path.", QUERY, "Choose another path below."),
    414: Problem("The query is too long.", QUERY, "Make it shorter, and ask again."),
    422: Problem("The query is understood, but it cannot be answered.", QUERY, CHANGE),
}
# How a call to the backend may have failed; see client.observed.
CALLS = {
    "unreachable": Problem("The backend cannot be reached.", BACKEND, WAIT),
    "broken_off": Problem("The backend broke off its answer.", BACKEND, WAIT),
    "bad_answer": Problem(
        "The backend's answer cannot be used.", BACKEND, "Ask for something else, and report it."
    ),
    "too_slow": Problem(
        "The backend takes too long.", BACKEND, "Ask for less, or again later. If it lasts, report it."
    ),
}
# What the backend itself answers.
BACKENDS = {
    502: Problem("Something that the backend needs is away or broken.", BACKEND, WAIT),
    503: Problem("The backend, or something that it needs, is not ready.", BACKEND, WAIT),
    504: Problem("Something that the backend needs takes too long.", BACKEND, CALLS["too_slow"].advice),
}
INTERNAL = "Ask for something else, and report it."


def problem_of(environ: "WSGIEnvironment", status: int, retry_after: str) -> Problem:
    """Return what is said of an error.

    Args:
        environ: the request's, after the answer.
        status: the answer's.
        retry_after: its Retry-After, "" without one.
    """
    wait = f"in {retry_after} s" if retry_after.isdecimal() and retry_after != "1" else "in a second"
    outcome = environ[CALL][0] if CALL in environ else ""
    if status == 429 or (status == 503 and (retry_after or REFUSED in environ or outcome == "no_room")):
        where = "The backend has" if outcome == "error" or status == 429 else "This client has"
        advice = f"Ask again {wait if retry_after.isdecimal() else 'a little later'}."
        return Problem(f"{where} more to do than it can.", LOAD, advice)
    if status < 500:
        return CALLERS.get(status, CALLERS[400])
    if outcome in CALLS:
        return CALLS[outcome]
    if outcome == "error":
        return BACKENDS.get(status, Problem("Something went wrong in the backend.", BACKEND, INTERNAL))
    return Problem("Something went wrong in this client.", CLIENT, INTERNAL)
