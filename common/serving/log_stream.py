"""Standard output as a log that never blocks: what cannot be written at once is dropped and counted."""

import fcntl
import io
import os
import stat
from contextlib import suppress
from select import PIPE_BUF, POLLOUT, poll

from common.serving.log_lines import LogLines

# What a pipe holds for a reader who is late (bytes); more needs a privilege.
PIPE_BYTES = 1_048_576


class LogStream(io.TextIOBase):
    """A text stream whose writes do not block.

    The descriptor itself stays as it is: the processes that share it expect their writes to block.

    Args:
        descriptor: where to write.
        lines: how to say that lines were dropped.
    """

    encoding = "utf-8"  # in every locale
    errors = "backslashreplace"

    def __init__(self, descriptor: int, lines: LogLines) -> None:
        self.descriptor = descriptor
        self.lines = lines
        self.poller: poll | None = None
        self.dropped = 0  # lines, since one could be written
        self.dropped_ever = 0
        self.is_cut = False  # the end of the last line could not be written
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        with suppress(OSError, AttributeError):  # not a pipe, or not on Linux
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            mode = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            self.descriptor = os.open(f"/proc/self/fd/{descriptor}", mode)
        except OSError:  # a socket, another user's pipe, or not on Linux
            self.poller = poll()
            self.poller.register(descriptor, POLLOUT)

    def fileno(self) -> int:
        return self.descriptor

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        """Write the text at once, or count its lines as dropped."""
        data = text.encode(self.encoding, self.errors)
        if self.dropped:
            said = self.lines.message("WARNING", f"{self.dropped} log lines dropped: nobody read them")
            data = b"\n" * self.is_cut + f"{said}\n".encode() + data
        written = self.write_at_once(data)
        if written:
            self.is_cut = written < len(data)
            self.dropped = int(self.is_cut)
            self.dropped_ever += int(self.is_cut)
        else:
            lines = max(1, text.count("\n"))
            self.dropped += lines
            self.dropped_ever += lines
        return len(text)

    def write_at_once(self, data: bytes) -> int:
        """Return how many bytes could be written without waiting."""
        written = 0
        with suppress(OSError):
            if self.poller is None:
                return os.write(self.descriptor, data)
            while written < len(data) and self.poller.poll(0):  # room for PIPE_BUF bytes at least
                written += os.write(self.descriptor, data[written : written + PIPE_BUF])
        return written
