"""What a worker counts, under the names that OpenTelemetry's HTTP conventions have in Prometheus.

opentelemetry.io/docs/specs/semconv/http/http-metrics
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

from common.contract import CALL, NAMED_METHODS, REFUSED, ROUTE

# The conventions', and above them what tells answers at ANSWER_TIMEOUT from slow ones (seconds).
BUCKETS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
    20,
    30,
    40,
    60,
    120,
    300,
)
# Label sets of requests in a process; each takes 7 kB of /tmp. Whatever else comes counts under OTHER.
MAX_SERIES = 100
OTHER = "_OTHER"


class Metrics:
    """The metrics of a worker, in files that outlive it.

    Args:
        folder: of the files.
        slot: the worker's, see common.telemetry.slots.
    """

    def __init__(self, folder: Path, slot: int) -> None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()  # of no use: the exporter reads the files
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Duration of requests until the answer begins, without probes",
            ["http_request_method", "http_route", "http_response_status_code"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.calls = Histogram(
            "http_client_request_duration_seconds",
            "Duration of calls to the backend, retries included",
            ["outcome"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.retries = Counter("http_client_retries", "Tries after the first", registry=registry)
        self.refused = Counter("http_server_refused_requests", "Refused", ["reason"], registry=registry)
        self.dropped = Counter("log_lines_dropped", "Log lines that nobody read", registry=registry)
        self.gauges = {
            name: Gauge(name, help_text, registry=registry, multiprocess_mode="sum")
            for name, help_text in {
                "http_server_active_requests": "Requests in flight",
                "http_server_active_requests_limit": "Requests that may be in flight",
                "http_client_open_connections": "Open connections to the backend",
            }.items()
        }
        # labels() takes a lock and makes each of them a string again.
        self.series: dict[tuple[str, str, str], Histogram] = {}
        self.call_series: dict[str, Histogram] = {}

    def observe(self, environ: "WSGIEnvironment", status: str, seconds: float) -> None:
        """Count a request."""
        method, route = environ.get("REQUEST_METHOD", ""), environ.get(ROUTE, "")
        series = self.series.get((method, route, status))
        if series is None:
            series = self.new_series(method, route, status)
        series.observe(seconds)
        if CALL in environ:
            outcome, call_seconds, tries = environ[CALL]
            if outcome not in self.call_series:
                self.call_series[outcome] = self.calls.labels(outcome)
            self.call_series[outcome].observe(call_seconds)
            if tries > 1:
                self.retries.inc(tries - 1)
        if REFUSED in environ:
            self.refused.labels(environ[REFUSED]).inc()

    def new_series(self, method: str, route: str, status: str) -> Histogram:
        """Return the series of requests that were not seen before, or that of all others."""
        known = method if method in NAMED_METHODS else OTHER
        labels = (known, route, status) if len(self.series) < MAX_SERIES else (OTHER, OTHER, f"{status[0]}xx")
        series: Histogram = self.requests.labels(*labels)
        if known == method and labels[0] != OTHER:
            self.series[method, route, status] = series
        return series

    def reset_gauges(self) -> None:
        """Set the gauges to 0: nothing is in flight in a process that ends."""
        for gauge in self.gauges.values():
            gauge.set(0)
