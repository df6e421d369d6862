"""gunicorn's master, with a log of our own, which tells a worker whether others go on serving."""

import signal
from typing import Any

import gunicorn.arbiter

from common.serving.access_log import AccessLogger

# A worker is to leave its connections to others: after SIGHUP and SIGTTOU.
RETIRE = signal.SIGUSR2


class Arbiter(gunicorn.arbiter.Arbiter):  # type: ignore[misc]  # untyped
    """A master that retires workers by a signal of their own, for which gunicorn uses SIGTERM, too."""

    log: AccessLogger | None

    def setup(self, app: Any) -> None:  # noqa: ANN401  common.serving.server.Server
        """Take up the settings, those of the log only at first."""
        self.log = self.log or AccessLogger(app.cfg, app.log, app.settings.trusted_proxies)
        super().setup(app)

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a worker a signal."""
        goes_on = bool(self.LISTENERS)  # closed before the workers are told to stop
        super().kill_worker(pid, RETIRE if sig == signal.SIGTERM and goes_on else sig)
