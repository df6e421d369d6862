"""The bytes that a process holds for its callers: unfinished requests and answers that are not sent yet."""


class ByteBudget:
    """A number of bytes that many requests share; no lock, since one thread serves them all.

    Args:
        limit: bytes that may be held at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Count `size` more bytes as held, unless that exceeds the limit; return whether they fit."""
        if self.held + size > self.limit:
            return False
        self.held += size
        return True

    def release(self, size: int) -> None:
        """Count `size` bytes as no longer held."""
        self.held -= size


# The process's own; a worker sets its limit to MAX_BUFFERED_BYTES as it starts.
BUFFERED = ByteBudget(33_554_432)
