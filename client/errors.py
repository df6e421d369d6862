"""What may go wrong with a request, as requests' exceptions, and what the client then answers with.

requests.RequestException
├── requests.ConnectionError
│   ├── NotConnected        nothing was sent
│   └── Disconnected        the connection was lost before the answer was whole
├── requests.ReadTimeout    nothing arrived in time
├── Unreadable              the answer is not HTTP/1.1, or its body not decodable
└── BudgetExceeded          the answer does not fit the process's byte budget

HTTPException               what the client answers with
├── RequestURITooLarge, BadRequest, NotFound   a path or query that is not passed on, see client.forwarding
├── UpstreamError
│   ├── Unreachable         502  no connection within MAX_CONNECT_SECONDS, retries included
│   ├── BrokenOff           502  the connection was lost before the answer was whole
│   ├── BadAnswer           502  not HTTP, no JSON object, too large or a redirect
│   └── TooSlow             504  no answer within ANSWER_TIMEOUT
└── ServiceUnavailable      503  the answer does not fit MAX_BUFFERED_BYTES beside the others
"""

import requests
from werkzeug.exceptions import HTTPException, ServiceUnavailable


class NotConnected(requests.ConnectionError):
    """No connection could be made, so nothing was sent."""


class Disconnected(requests.ConnectionError):
    """The connection was lost after the request was sent and before the answer was whole."""


class Unreadable(requests.RequestException):
    """The answer is not HTTP/1.1, or its body not decodable."""


class BudgetExceeded(requests.RequestException):
    """The answer does not fit the process's byte budget beside the others."""


class UpstreamError(HTTPException):
    """The backend did not answer as it should."""

    code = 502


class Unreachable(UpstreamError):
    """No connection within MAX_CONNECT_SECONDS."""

    description = "backend unreachable"


class BrokenOff(UpstreamError):
    """The connection was lost before the answer was whole."""

    description = "backend broke off its answer"


class BadAnswer(UpstreamError):
    """The answer is not HTTP, not a JSON object, too large or a redirect."""


class TooSlow(UpstreamError):
    """No whole answer within ANSWER_TIMEOUT."""

    code = 504


def http_error(error: requests.RequestException) -> HTTPException:
    """Return what the client answers with when an attempt has failed."""
    if isinstance(error, NotConnected):
        return Unreachable()
    if isinstance(error, Disconnected):
        return BrokenOff()
    if isinstance(error, BudgetExceeded):
        return ServiceUnavailable("too many large answers at once", retry_after=1)
    return BadAnswer("backend's answer is not readable")
