"""How long the steps of a stop take, in seconds; what gunicorn, Pods and compose wait for follows."""

import math

from common.contract import MAX_CONNECT_SECONDS
from common.settings import ServiceSettings

# From the draining flag to SIGTERM, which the preStop hook sleeps: no endpoint leads to the Pod any more.
PRE_STOP = 15
# From the draining flag until idle connections are closed: callers that idle for a minute have come by.
HOLD = 65
# For each process to note that its time is up before another one ends it.
MARGIN = 2


def requests_timeout(settings: ServiceSettings) -> int:
    """Return how long requests in flight may take until they are cut off: the slowest answer, a margin."""
    slowest = max(settings.answer_timeout, settings.stream_timeout)
    return math.ceil(MAX_CONNECT_SECONDS + slowest) + MARGIN


def graceful_timeout(settings: ServiceSettings) -> int:
    """Return how long a worker may take from SIGTERM on."""
    return HOLD - PRE_STOP + requests_timeout(settings) + MARGIN


def grace_period(settings: ServiceSettings) -> int:
    """Return how long a Pod may take at least: its terminationGracePeriodSeconds."""
    return PRE_STOP + graceful_timeout(settings) + MARGIN
