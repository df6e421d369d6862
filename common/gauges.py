"""Values that an application tells its worker, to be looked up when they are wanted."""

from collections.abc import Callable

# By the names of metrics.
GAUGES: dict[str, Callable[[], float]] = {}
