"""An answer as it arrives on a connection: parsed by llhttp, bounded, and read like a file."""

from collections.abc import Callable
from typing import Any

import gevent
import requests
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from client.errors import BudgetExceeded, Disconnected, Unreadable
from client.gzip_decoder import GzipDecoder
from common.budget import BUFFERED

READ_BYTES = 16_384  # at most in one read; other greenlets run before the next
MAX_HEADERS = 100
# Bytes of heads, interim answers, chunk framing and trailers: in a row, and in all beyond a part that grows
# with the body, of which the smallest chunks (RFC 9112 section 7.1) take five for each byte.
MAX_FRAMING_BYTES, MAX_FRAMING_RATIO = 65_536, 8


class Answer:
    """The answer to one request: `raw` of a requests.Response, and llhttp's callbacks.

    Args:
        sock: the connection, on which the request was sent.
        method: the request's, since an answer to HEAD has no body.
        done: called once, with whether the connection may be used again.
    """

    def __init__(self, sock: Any, method: str, done: Callable[[bool], None]) -> None:  # noqa: ANN401
        self.sock, self.method = sock, method
        self.done: Callable[[bool], None] | None = done
        self.status, self.reason = 0, b""
        self.headers: dict[bytes, bytes] = {}  # by lower-case names
        self.header_count = 0
        self.head_complete = self.complete = self.keep_alive = False
        self.delimited = False  # whether it says where its body ends
        self.length: int | None = None  # of the encoded body, if it is known beforehand
        self.encoded = bytearray()  # body bytes that read() has not returned yet
        self.received = self.received_body = 0
        self.received_until_body = 0  # up to and with the latest part of the body
        self.gzip: GzipDecoder | None = None
        self.parser = HttpResponseParser(self)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise Unreadable("bytes that nobody asked for follow the answer")

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_complete:
            return  # a trailer, which may be dropped (RFC 9110 section 6.5.1)
        key, headers = name.lower(), self.headers
        headers[key] = headers[key] + b", " + value if key in headers else value  # RFC 9110 section 5.3
        self.header_count += 1
        if self.header_count > MAX_HEADERS:
            raise Unreadable(f"more than {MAX_HEADERS} headers")

    def on_headers_complete(self) -> None:
        self.status = status = self.parser.get_status_code()
        if 100 <= status < 200:
            return  # an interim answer; llhttp itself stops at a 101
        if not 200 <= status < 600 or self.parser.get_http_version() not in ("1.0", "1.1"):
            raise Unreadable(f"HTTP/{self.parser.get_http_version()} {status}")
        transfer_coding, coding = (
            self.headers.get(b"transfer-encoding"),
            self.headers.get(b"content-encoding"),
        )
        if transfer_coding and transfer_coding.lower() != b"chunked":
            raise Unreadable(f"Transfer-Encoding: {transfer_coding!r}")
        if coding and coding.lower() == b"gzip":
            self.gzip = GzipDecoder()
        elif coding and coding.lower() != b"identity":
            raise Unreadable(f"Content-Encoding: {coding!r}")
        if length := self.headers.get(b"content-length"):
            self.length = int(length)  # llhttp refuses what is not a 64-bit number
        self.delimited = bool(length or transfer_coding)
        self.keep_alive = self.parser.should_keep_alive()  # llhttp forgets it when the answer is complete
        self.head_complete = True
        if status in (204, 304):  # without a body, whatever they say (RFC 9112 section 6.3)
            self.complete = True
            self.keep_alive = self.keep_alive and not (transfer_coding or self.length)
        elif self.method == "HEAD":
            self.complete = True

    def on_body(self, data: bytes) -> None:
        if self.complete:
            raise Unreadable("an answer that can have no body has one")
        self.encoded += data
        self.received_body += len(data)
        self.received_until_body = self.received

    def on_message_complete(self) -> None:
        if self.head_complete:
            self.complete = True
        else:  # an interim answer (RFC 9110 section 15.2)
            self.headers.clear()
            self.header_count = 0
            self.reason = b""

    # Sending and receiving; whatever goes wrong closes the connection.

    def exchange(self, message: bytes) -> None:
        """Send the request, and receive the head with as much of the body as comes with it.

        Raises:
            Disconnected, Unreadable: see client.errors.
            requests.ReadTimeout: nothing could be sent or arrived within the connection's timeout.
        """
        try:
            if (sent := self.sock.send(message)) < len(message):  # nearly always all of it
                self.sock.sendall(memoryview(message)[sent:])
        except (ConnectionResetError, BrokenPipeError):
            pass  # what closes before it has read all may have answered, which receive() tells
        except BaseException as error:  # noqa: BLE001  raised again
            raise self.failed(error) from error.__cause__
        while not self.head_complete:
            self.receive()

    def receive(self) -> None:
        """Receive once; raises as exchange() does."""
        try:
            if self.received:
                gevent.sleep(0)  # a socket with bytes to read would not let other greenlets run
            data: bytes = self.sock.recv(READ_BYTES)
            self.received += len(data)
            self.parse(data)
        except BaseException as error:  # noqa: BLE001  raised again
            raise self.failed(error) from error.__cause__

    def failed(self, error: BaseException) -> BaseException:
        """Close the connection; return an OSError as the requests exception for it, others unchanged."""
        self.close()
        if isinstance(error, requests.RequestException) or not isinstance(error, OSError):
            return error  # also gevent.Timeout
        kind = requests.ReadTimeout if isinstance(error, TimeoutError) else Disconnected
        return kind(str(error))

    def parse(self, data: bytes) -> None:
        if not data:
            if self.delimited or not self.head_complete:
                raise Disconnected("the connection ended before the answer was whole")
            self.complete = True
            return self.finish(reusable=False)
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.complete:
                raise Unreadable(str(error.__context__ or error)) from error
            self.keep_alive = False
        if self.complete:
            return self.finish(reusable=self.keep_alive)
        if (
            self.received > MAX_FRAMING_BYTES + self.received_until_body
            or self.received > MAX_FRAMING_BYTES + MAX_FRAMING_RATIO * self.received_body
        ):
            raise Unreadable(f"{self.received_body} bytes of body in {self.received} bytes")
        return None

    def finish(self, *, reusable: bool) -> None:
        """Release the connection; do nothing if that has been done."""
        if self.done:
            done, self.done = self.done, None
            del self.parser  # which refers to this object
            done(reusable)

    # What its user calls, or requests.Response.

    def header(self, name: bytes) -> str:
        """Return the value of a header with this lower-case name, several joined by commas; "" without."""
        return self.headers[name].decode("latin-1") if name in self.headers else ""

    def read(self, amount: int | None = None) -> bytes:
        """Return `amount` decoded bytes, less only at the end; all of them without `amount`."""
        if self.complete and not self.gzip and (amount is None or amount >= len(self.encoded)):
            plain, self.encoded = bytes(self.encoded), bytearray()
            return plain
        decoded = bytearray()
        held = 0
        try:
            while amount is None or len(decoded) < amount:
                piece = self.decode(0 if amount is None else amount - len(decoded))
                decoded += piece
                if piece or self.encoded:
                    continue
                if self.complete:
                    break
                held += self.hold(held, len(decoded), amount)
                self.receive()
        except BaseException:
            self.close()
            raise
        finally:
            BUFFERED.release(held)
        return bytes(decoded)

    def read1(self, amount: int) -> bytes:
        """Return up to `amount` decoded bytes as soon as there are any; b"" at the end."""
        try:
            while not (piece := self.decode(amount)) and not (self.complete and not self.encoded):
                if not self.encoded:
                    self.receive()
        except BaseException:
            self.close()
            raise
        return piece

    def decode(self, amount: int) -> bytes:
        """Return up to `amount` bytes, 0 for any number, of what has been received."""
        if self.gzip:
            return self.gzip.decode(self.encoded, amount, at_end=self.complete and self.received_body > 0)
        plain = bytes(self.encoded[: amount or None])
        del self.encoded[: len(plain)]
        return plain

    def hold(self, held: int, size: int, amount: int | None) -> int:
        """Count more bytes as held, all at once where the length is known; return how many."""
        more = max(size, READ_BYTES, min(self.length or 0, amount or self.length or 0)) - held
        if more <= 0:
            return 0
        if not BUFFERED.take(more):
            raise BudgetExceeded(f"{BUFFERED.held} of {BUFFERED.limit} bytes are held")
        return more

    def close(self) -> None:
        """Close the connection unless all was read."""
        self.finish(reusable=False)
