"""A worker that counts."""

import atexit
from typing import Any

import gevent

from common.gauges import GAUGES
from common.telemetry.metrics import Metrics
from common.telemetry.slots import claim_slot, folder_of

# How often gauges are set (seconds).
INTERVAL = 1.0


def observe(worker: Any) -> None:  # noqa: ANN401  common.serving.worker.Worker
    """Count the requests of a worker, unless METRICS_PORT is 0."""
    settings = worker.app.settings
    if not settings.metrics_port:
        return
    folder = folder_of(settings.metrics_port)
    metrics = Metrics(folder, claim_slot(folder))
    metrics.reset_gauges()
    atexit.register(metrics.reset_gauges)
    worker.log.observe = metrics.observe
    gevent.spawn(set_gauges, worker, metrics)


def set_gauges(worker: Any, metrics: Metrics) -> None:  # noqa: ANN401
    """Set the gauges again and again."""
    stream, connections = worker.log.stream, worker.connections
    dropped = stream.dropped_ever
    metrics.gauges["http_server_active_requests_limit"].set(worker.app.settings.max_in_flight)
    while True:
        metrics.gauges["http_server_active_requests"].set(sum(1 for each in connections.open if each.request))
        for name, value in GAUGES.items():
            metrics.gauges[name].set(value())
        metrics.dropped.inc(stream.dropped_ever - dropped)
        dropped = stream.dropped_ever
        gevent.sleep(INTERVAL)
