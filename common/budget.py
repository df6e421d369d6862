"""The bytes that a process holds for its callers: unfinished requests and answers that are not sent yet."""

DEFAULT_BYTES = 33_554_432


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


class Share:
    """The bytes that one answer holds, a number that changes.

    Args:
        budget: what they count in.
    """

    def __init__(self, budget: ByteBudget) -> None:
        self.budget = budget
        self.held = 0

    def hold(self, size: int) -> bool:
        """Count `size` bytes as held instead of those before, unless they do not fit; return whether."""
        if size > self.held and not self.budget.take(size - self.held):
            return False
        if size < self.held:
            self.budget.release(self.held - size)
        self.held = size
        return True


# The process's own; a worker sets its limit to the setting MAX_BUFFERED_BYTES as it starts.
BUFFERED = ByteBudget(DEFAULT_BYTES)
