"""OpenTelemetry's SDK, as far as it is needed: what samples spans, batches them and sends them over OTLP."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import gevent
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

if TYPE_CHECKING:
    from common.spans import Span, Trace

# What a stop waits for spans to be sent (seconds).
CLOSE_TIMEOUT = 1.0


def sampler(name: str, argument: float) -> Callable[[int], bool]:
    """Return what says whether to sample a trace that has no parent.

    Args:
        name: OTEL_TRACES_SAMPLER.
        argument: OTEL_TRACES_SAMPLER_ARG.
    """
    chosen = {"always_on": ALWAYS_ON, "always_off": ALWAYS_OFF, "traceidratio": TraceIdRatioBased(argument)}
    it = chosen[name.removeprefix("parentbased_")]
    return lambda trace_id: it.should_sample(None, trace_id, "").decision.is_sampled()  # type: ignore[no-untyped-call]


def masked(path: str, record: logging.LogRecord) -> bool:
    """Mask the path of the endpoint in a log record, since some collectors have a token there."""
    record.msg, record.args = record.getMessage().replace(path, "***"), ()
    return True


class GivenIds(IdGenerator):
    """The ids of the next span, which have been in logs and headers before."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class Exporter:
    """Sends traces in batches, from a greenlet of its own.

    Args:
        service: the service.
        name: OTEL_SERVICE_NAME, "" if it is not set.
        endpoint: OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self, service: str, name: str, endpoint: str) -> None:
        if path := urlsplit(endpoint).path.strip("/"):
            logging.getLogger(OTLPSpanExporter.__module__).addFilter(partial(masked, path))
        named = {"service.name": name} if name else {}
        attributes = {"service.name": service} | dict(OTELResourceDetector().detect().attributes) | named
        self.ids = GivenIds()
        self.processor = BatchSpanProcessor(OTLPSpanExporter())
        provider = TracerProvider(
            ALWAYS_ON, Resource.create(attributes), shutdown_on_exit=False, id_generator=self.ids
        )
        provider.add_span_processor(self.processor)
        self.tracer = provider.get_tracer("flask-pair")

    def send(self, trace: "Trace") -> None:
        """Send the spans of a trace soon."""
        self.add(trace, trace.request, trace.parent_id, SpanKind.SERVER)
        for span in trace.waits:
            span.ended = span.ended or trace.request.ended
            self.add(trace, span, trace.request.id, SpanKind.CLIENT)

    def add(self, trace: "Trace", span: "Span", parent_id: str, kind: SpanKind) -> None:
        """Add a span to the next batch."""
        self.ids.trace_id, self.ids.span_id = int(trace.id, 16), int(span.id, 16)
        context = Context()
        if parent_id:
            parent = SpanContext(
                self.ids.trace_id, int(parent_id, 16), kind is SpanKind.SERVER, TraceFlags(trace.flags)
            )
            context = set_span_in_context(NonRecordingSpan(parent), context)
        made = self.tracer.start_span(span.name, context, kind, span.attributes, start_time=span.began)
        if "error.type" in span.attributes:
            made.set_status(StatusCode.ERROR)
        made.end(span.ended)

    def close(self) -> None:
        """Send what is left, if the collector takes it at once."""
        with gevent.Timeout(CLOSE_TIMEOUT, exception=False):
            self.processor.shutdown()  # type: ignore[no-untyped-call]
