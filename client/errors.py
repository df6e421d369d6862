"""What may go wrong with a request, as requests' exceptions.

requests.RequestException
├── requests.ConnectionError
│   ├── NotConnected        nothing was sent
│   └── Disconnected        the connection was lost before the answer was whole
├── requests.ReadTimeout    nothing arrived in time
├── Unreadable              the answer is not HTTP/1.1, or its body not decodable
└── BudgetExceeded          the answer does not fit the process's byte budget
"""

import requests


class NotConnected(requests.ConnectionError):
    """No connection could be made, so nothing was sent."""


class Disconnected(requests.ConnectionError):
    """The connection was lost after the request was sent and before the answer was whole."""


class Unreadable(requests.RequestException):
    """The answer is not HTTP/1.1, or its body not decodable."""


class BudgetExceeded(requests.RequestException):
    """The answer does not fit the process's byte budget beside the others."""
