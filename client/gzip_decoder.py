"""Bounded decoding of gzip bodies (RFC 1952)."""

import zlib

from client.errors import Unreadable

# RFC 1952 section 2.2 allows any number, also of empty ones.
MAX_MEMBERS = 100


class GzipDecoder:
    """Decodes a body piece by piece, never more than is asked for."""

    def __init__(self) -> None:
        self.member = zlib.decompressobj(wbits=31)
        self.members = 1

    def decode(self, encoded: bytearray, amount: int, *, at_end: bool) -> bytes:
        """Return up to `amount` decoded bytes, 0 for any number, and take what they were encoded in.

        Raises:
            Unreadable: it is malformed, truncated (there is nothing more at_end), or has too many members.
        """
        if self.member.eof and encoded:
            self.members += 1
            if self.members > MAX_MEMBERS:
                raise Unreadable(f"more than {MAX_MEMBERS} gzip members")
            self.member = zlib.decompressobj(wbits=31)
        try:
            data = self.member.decompress(bytes(encoded), amount)
        except zlib.error as error:
            raise Unreadable(str(error)) from error
        encoded[:] = self.member.unused_data if self.member.eof else self.member.unconsumed_tail
        if at_end and not (data or encoded or self.member.eof):
            raise Unreadable("the gzip body is truncated")
        return data
