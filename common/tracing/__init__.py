"""Traces for OpenTelemetry: spans of requests, of calls and of what a logic waits for, sent over OTLP.

Where nobody collects them, delete this folder, and its line in common/serving/parts.py.
"""

import atexit
import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from common.settings import ServiceSettings
from common.tracing.requests import Sampling, traced

MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; "
    "install requirements/tracing.txt, or build the image with --build-arg TRACING=true"
)
EXPORTER = "opentelemetry.exporter.otlp.proto.http"
# Loaded only where it is needed.
SDK = "common.tracing.sdk"

log = logging.getLogger(__name__)


def start(_service: str, settings: ServiceSettings) -> None:
    """Make sure that traces can be sent, if they are to be.

    Raises:
        SystemExit: OpenTelemetry is not installed.
    """
    try:  # not imported: it imports requests, which only workers may, once gevent has patched Python
        if is_on(settings) and not (find_spec("opentelemetry.sdk") and find_spec(EXPORTER)):
            raise SystemExit(MISSING)
    except ModuleNotFoundError:
        raise SystemExit(MISSING) from None


def attach(worker: Any) -> None:  # noqa: ANN401  common.serving.worker.Worker
    """Trace the requests of a worker."""
    settings: ServiceSettings = worker.app.settings
    if not is_on(settings):
        return
    try:
        sdk = import_module(SDK)
    except Exception:
        if not worker.app.reloaded:
            raise
        log.exception("nothing is traced until the new code loads")  # development, as in Server.load()
        return
    exporter = sdk.Exporter(
        worker.app.service, settings.otel_service_name, settings.otel_exporter_otlp_endpoint
    )
    atexit.register(exporter.close)
    name, argument = settings.otel_traces_sampler, settings.otel_traces_sampler_arg
    sampling = Sampling(sdk.sampler(name, argument), follows=name.startswith("parentbased_"))
    worker.wsgi = traced(worker.wsgi, sampling, exporter.send, settings.trusted_proxies)


def is_on(settings: ServiceSettings) -> bool:
    """Return whether requests are traced."""
    return bool(settings.otel_exporter_otlp_endpoint) and not settings.otel_sdk_disabled
