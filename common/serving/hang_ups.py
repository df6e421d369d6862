"""Notices callers who hang up while their request is worked on, and ends the work."""

import select
from time import monotonic
from typing import TYPE_CHECKING

import gevent
from gevent.monkey import get_original

from common.serving.access_log import AccessLogger, request_fields
from common.trace_context import TRACE_ID

if TYPE_CHECKING:
    from common.serving.connections import Connections

# A request is watched once it has been worked on for so long: most are answered before (seconds).
WATCHED_AFTER = 0.25
# Between two looks. A caller's hang-up is seen by the client and, once that has left, by the backend: even if
# it comes right after the request, both have seen it 0.5 s later (seconds).
INTERVAL = 0.1
# The end of what the caller sends; data, such as a next request, is none. Only Linux tells them apart.
HANG_UP = getattr(select, "POLLRDHUP", 0)
# What the access log shows as the status: nginx's, which no caller sees.
STATUS = "499"

# The system's: gevent's own waits for another turn of the event loop.
poll = get_original("select", "poll")


def watch(connections: "Connections", log: AccessLogger) -> None:
    """Look for callers who have hung up, for ever."""
    while True:
        gevent.sleep(INTERVAL)
        end_abandoned(connections, log)


def end_abandoned(connections: "Connections", log: AccessLogger) -> None:
    """End the work on each request whose caller has hung up."""
    before = monotonic() - WATCHED_AFTER
    watched = {each.fileno(): each for each in connections.open if each.request and each.began < before}
    if not watched:
        return
    poller = poll()
    for descriptor in watched:
        poller.register(descriptor, HANG_UP)
    for descriptor, _ in poller.poll(0):
        connection = watched[descriptor]
        request = connection.request
        if not request or connection.is_ended:  # ended by this process, to refuse the rest of a body
            continue
        if connection.head is None:  # once an answer has begun, it is logged as every other one
            seconds = monotonic() - connection.began
            environ = connection.environ or {"REQUEST_METHOD": request.method}
            log.count(environ, STATUS, seconds)
            connection.environ = None
            fields = request_fields(request.method, request.uri, STATUS, 0, seconds)
            trace_id = environ.get(TRACE_ID, "")
            log.write(f'{fields},"caller":"{connection.address[0]}","trace_id":"{trace_id}"')
        connection.abandon()
