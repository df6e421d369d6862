"""Draining: a stopping Pod says goodbye on every connection before its process ends.

The Pod's preStop hook makes the flag; from then on each answer carries `Connection: close`
and /readyz is 503. A file, because only the container itself can make one.
"""

import tempfile
from pathlib import Path

FLAG = Path(tempfile.gettempdir()) / "draining"


def draining() -> bool:
    """Whether the preStop hook has run."""
    return FLAG.exists()
