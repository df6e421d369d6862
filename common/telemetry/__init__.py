"""Metrics for Prometheus.

Where nobody reads them, delete this folder, and its line in common/serving/parts.py.
"""

from common.telemetry.exporter import start_exporter as start
from common.telemetry.worker import observe as attach

__all__ = ["attach", "start"]
