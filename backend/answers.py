"""The answers to callers, made of what the functions and views of a logic return."""

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from inspect import iscoroutine
from typing import Any
from urllib.parse import urlsplit

import gevent
from flask import Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import InternalServerError, NotFound
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import RequestRedirect

from backend.streams import Mappings, Stream
from common.contract import INTERNAL_ERROR
from common.sse import EventResponse, wants_events
from common.trace_context import TRACE_ID
from common.web import ContractResponse, PlainFlask, contract_response, error_response

EXPECTED = (
    "expected a mapping, or `mapping, status`, or `mapping, status, headers`, or an iterator of mappings"
)
# Say what the body is and how it is sent, which is not for a logic to decide.
OF_THE_BODY = {"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"}


class AnsweringFlask(PlainFlask):
    """Flask whose views return mappings, to which it adds the fields of the contract."""

    def full_dispatch_request(self) -> Response:
        """Answer a request, also where a logic would end the process or the handling of the request."""
        try:
            return super().full_dispatch_request()
        except (SystemExit, gevent.Timeout) as end:
            return self.finalize_request(self.refuse(f"raised {end!r}"))

    def dispatch_request(self) -> Any:  # noqa: ANN401  what Flask allows
        """Return what a view returns; of an iterator the events, or its last mapping for callers of JSON."""
        returned = super().dispatch_request()
        if not isinstance(returned, Iterator):
            return returned
        mappings = Mappings(returned, self.config["ANSWER_TIMEOUT"], self.config["STREAM_TIMEOUT"])
        if wants_events(request.environ):
            return EventResponse(Stream(self, mappings, partial(self.event, request.endpoint)))
        with closing(mappings):
            return mappings.last()

    def event(self, endpoint: str | None, fields: Any, *, is_whole: bool) -> bytes:  # noqa: ANN401  to be checked
        """Return the JSON of a mapping that a view has yielded.

        Raises:
            InternalServerError: something of it is not allowed.
        """
        try:
            check(fields)
            return self.json.dumps(self.whole(fields, 200) if is_whole else dict(fields)).strip().encode()
        except Exception as error:  # noqa: BLE001  whatever the encoder meets in it
            self.log_unexpected(
                endpoint, f"yielded a {type(fields).__name__}, {reprlib.repr(fields)}: {error}"
            )
            raise InternalServerError(INTERNAL_ERROR) from None

    def make_response(self, rv: Any) -> Response:  # noqa: ANN401  to be checked
        """Return the answer made of what a view has returned, or a 500 if that is not as expected."""
        if isinstance(rv, (ContractResponse, EventResponse)):
            return rv
        if isinstance(rv, RequestRedirect):  # to the same path with a slash at its end
            return error_response(self, NotFound(f"no such path; allowed: {urlsplit(rv.new_url).path}"))
        try:
            if isinstance(rv, tuple) and 2 <= len(rv) <= 3:
                return self.answer(*rv)
            return self.answer(rv)
        except Exception as error:  # noqa: BLE001  whatever the encoder meets in it
            if iscoroutine(rv):
                rv.close()  # or Python would warn that nobody awaits it
            return self.refuse(f"returned a {type(rv).__name__}, {reprlib.repr(rv)}: {error}")

    def answer(self, fields: Mapping[str, Any], status: int = 200, headers: Any = ()) -> Response:  # noqa: ANN401
        """Return the answer with these fields and those of the contract.

        Raises:
            Exception: something of it is not allowed.
        """
        check(fields)
        if status != 200 and not (isinstance(status, int) and status >= 200 and status in HTTP_STATUS_CODES):
            raise ValueError(f"{status!r} is not the status of an answer")
        if status in (204, 304):
            response = ContractResponse(status=status)
            del response.headers["Content-Type"]
        else:
            response = contract_response(self, {**self.whole(fields, status), **traced(status)}, status)
        if headers:
            response.headers.extend(checked(Headers(headers)))
        return response

    def whole(self, fields: Mapping[str, Any], status: int) -> dict[str, Any]:
        """Return the fields with those of the contract."""
        words = "message" if status < 400 else "exc"
        contract = {"status_code": status, words: HTTP_STATUS_CODES[status], "source": self.name}
        return {**contract, **fields}

    def refuse(self, what: str) -> Response:
        """Log in one line what the logic did, and return a 500."""
        self.log_unexpected(request.endpoint, what)
        return error_response(self, InternalServerError(INTERNAL_ERROR))

    def log_unexpected(self, endpoint: str | None, what: str) -> None:
        """Log in one line what a function or view did, and what is expected."""
        self.logger.error("%s %s; %s", endpoint, " ".join(what.split()), EXPECTED)


def check(fields: Any) -> None:  # noqa: ANN401  to be checked
    """Raise TypeError or ValueError unless fields may become an answer."""
    if not isinstance(fields, (dict, Mapping)):
        raise TypeError("it is no mapping")
    if "status_code" in fields or "source" in fields:
        raise ValueError(
            "it has `status_code` or `source`, which are added; for a status, `return fields, 201`"
        )


def traced(status: int) -> dict[str, str]:
    """Return the field by which an error can be found in the logs."""
    return {"trace_id": request.environ[TRACE_ID]} if status >= 400 and TRACE_ID in request.environ else {}


def checked(headers: Headers) -> Headers:
    """Return the headers; ValueError if a logic may not set one of them."""
    for name in headers.keys():  # noqa: SIM118  iterating over it would give pairs
        if name.lower() in OF_THE_BODY:
            raise ValueError(f"the header {name} is not the logic's to set")
    return headers
