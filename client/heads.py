"""The head of an answer: the usual one is read at once, any other one as http.client reads it.

http.client reads headers with Python's e-mail parser, which takes a tenth of the client's CPU.
"""

import re
from http.client import HTTPMessage, HTTPResponse

# RFC 9112 sections 4 and 5, without what is rare: other versions, folded lines, an empty name or value.
HEAD = re.compile(rb"HTTP/1\.1 ([2-5]\d\d) ([ -~]*)\r\n((?:[!-9;-~]+: [!-~][ -~]*\r\n)+)\r\n")
# An answer with one of these statuses has no body (RFC 9110 section 6.4.1).
WITHOUT_BODY = (b"204", b"304")


class QuickResponse(HTTPResponse):
    """http.client's response to a GET."""

    def begin(self) -> None:
        """Read the head; called by http.client."""
        head = HEAD.match(self.fp.peek())
        if not head or head[1] in WITHOUT_BODY:
            return super().begin()
        headers = HTTPMessage()
        for line in head[3].decode().splitlines():
            name, _, value = line.partition(": ")
            headers[name] = value
        lengths = headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not lengths[0].isdigit() or "Transfer-Encoding" in headers:
            return super().begin()

        self.fp.read(head.end())
        self.version = 11
        self.status = int(head[1])
        self.reason = head[2].decode()
        self.headers = self.msg = headers
        self.chunked = False
        self.length = int(lengths[0])
        self.will_close = "close" in headers.get("Connection", "").lower()
        return None
