"""Optional parts of a service, a folder each: whoever deletes one deletes its line here."""

from importlib import import_module
from typing import Any

from common.settings import ServiceSettings

PARTS = (
    "common.telemetry",  # metrics for Prometheus
    "common.tracing",  # traces for OpenTelemetry
)
# Imported now: a worker that goes on while edited code does not load must find them.
MODULES = [import_module(part) for part in PARTS]


def start_parts(service: str, settings: ServiceSettings) -> None:
    """Start what runs beside the workers, before there are any.

    Raises:
        SystemExit: a part cannot start; says why.
    """
    for part in MODULES:
        part.start(service, settings)


def attach_parts(worker: Any) -> None:  # noqa: ANN401  common.serving.worker.Worker
    """Let each part observe a worker whose application is loaded."""
    for part in MODULES:
        part.attach(worker)
