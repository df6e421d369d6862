"""A fake collector of traces, which takes OTLP over HTTP as OpenTelemetry's does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.calls import eventually

# Sends what there is soon, not every five seconds.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


@dataclass(frozen=True)
class Received:
    """A span."""

    service: str
    name: str
    kind: str
    trace_id: str
    id: str
    parent_id: str
    began: int
    ended: int
    is_error: bool
    attributes: dict[str, Any]


class Collector(ThreadingHTTPServer):
    """A collector that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []

    @property
    def settings(self) -> dict[str, str]:
        """What a service needs to trace every request."""
        url = f"http://127.0.0.1:{self.server_port}"
        return SOON | {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}

    @property
    def spans(self) -> list[Received]:
        return [span for body in self.bodies for span in spans_of(ExportTraceServiceRequest.FromString(body))]

    def await_spans(self, number: int, trace_id: str = "") -> list[Received]:
        """Return all spans, or those of a trace, once there are so many, in the order in which they began."""

        def found() -> list[Received]:
            return [span for span in self.spans if trace_id in ("", span.trace_id)]

        eventually(f"{number} spans", lambda: len(found()) >= number)
        spans = found()
        assert len(spans) == number, spans
        return sorted(spans, key=lambda span: span.began)


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def spans_of(request: Any) -> Iterator[Received]:
    for resource in request.resource_spans:
        service = attributes_of(resource.resource)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    service,
                    span.name,
                    span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    attributes_of(span),
                )


def attributes_of(holder: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector until the block ends."""
    with Collector() as collector:
        thread = Thread(target=collector.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()
