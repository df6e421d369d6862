"""Backends that speak HTTP oddly or wrongly: no caller ever gets another caller's answer.

After each odd answer a second caller, on the same pool, must get the answer to its own call.
"""

import gzip
import zlib

import pytest

from tests.calls import Reply
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, answer, as_json, sends_and_stays

BODY = HELLO.partition(b"\r\n\r\n")[2]
OTHERS = as_json(200, {"message": "another caller's"})
OWN = as_json(200, {"message": "his own"})
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = "Content-Encoding: gzip"
PACKED = gzip.compress(BODY)
ONE_CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)

EXPLANATIONS = (
    "backend's answer is not readable",
    "backend's answer is not JSON",
)


def with_length(length: bytes, body: bytes = BODY) -> bytes:
    return OK + b"Content-Length: " + length + b"\r\n\r\n" + body


def with_head(head: bytes, body: bytes = BODY) -> bytes:
    """An answer with a Content-Length and these lines before it."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


# Odd, but whole: the first caller gets it.
WHOLE = {
    "100 before it": b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO,
    "102 before it": b"HTTP/1.1 102 Processing\r\n\r\n" + HELLO,
    "103 before it": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" + HELLO,
    "199 before it": b"HTTP/1.1 199 Whatever\r\n\r\n" + HELLO,
    "five interim answers before it": b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n" * 5 + HELLO,
    "an interim answer with the final one's headers": (
        b"HTTP/1.1 103 Early Hints\r\nContent-Encoding: br\r\nRetry-After: 9\r\n\r\n" + HELLO
    ),
    "an interim answer with a length": b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n" + HELLO,
    "an interim answer with chunks": b"HTTP/1.1 103 E\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO,
    "an upgrade that is only offered": with_head(OK + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + ONE_CHUNK + b"0\r\n\r\n",
    "another answer after it": HELLO + OTHERS,
    "an interim answer after it": HELLO + b"HTTP/1.1 100 Continue\r\n\r\n",
    "a line end after it": HELLO + b"\r\n",
    "a letter after it": HELLO + b"x",
    "zeros after it": HELLO + bytes(100),
    "half an answer after it": HELLO + OTHERS[:40],
    "more than its length": with_length(b"%d" % len(BODY), BODY + BODY),
    "another answer after its last chunk": CHUNKED + ONE_CHUNK + b"0\r\n\r\n" + OTHERS,
    "length with leading zeros": with_length(b"000%d" % len(BODY)),
    "length with blanks": with_length(b" \t%d \t" % len(BODY)),
    "no reason": with_head(b"HTTP/1.1 200\r\n"),
    "an empty reason": with_head(b"HTTP/1.1 200 \r\n"),
    "a reason of 300 letters": with_head(b"HTTP/1.1 200 " + b"x" * 300 + b"\r\n"),
    "a reason that is no ASCII": with_head(b"HTTP/1.1 200 \xc3\xa4\r\n"),
    "a reason that ends in a blank": with_head(b"HTTP/1.1 200 OK \r\n"),
    "an empty header": with_head(OK + b"X:\r\n"),
    "a header that is no ASCII": with_head(OK + b"X: \xe4\r\n"),
    "100 headers": with_head(OK + b"X: y\r\n" * 99),
    "identity as its coding": with_head(OK + b"Content-Encoding: identity\r\n"),
    "its coding in capitals": answer(200, PACKED, "Content-Encoding: GZIP"),
    "two gzip members": answer(200, gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), GZIP),
    "an empty gzip member before it": answer(200, gzip.compress(b"") + PACKED, GZIP),
    "gzip in chunks of a byte": (
        CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n"
        + b"".join(b"1\r\n%b\r\n" % PACKED[at : at + 1] for at in range(len(PACKED)))
        + b"0\r\n\r\n"
    ),
    "chunks of a byte": CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    "chunk sizes with zeros and capitals": CHUNKED + b"000%X\r\n%b\r\n0000\r\n\r\n" % (len(BODY), BODY),
    "a chunk extension": CHUNKED + b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "trailers": CHUNKED + ONE_CHUNK + b"0\r\nX: y\r\nContent-Encoding: gzip\r\n\r\n",
    "close, and stays": with_head(OK + b"Connection: close\r\n"),
    "close among others": with_head(OK + b"Connection: keep-alive, close\r\n"),
    "HTTP/1.0": with_head(b"HTTP/1.0 200 OK\r\n"),
    "HTTP/1.0 that keeps the connection": with_head(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"),
    "a cookie": with_head(OK + b"Set-Cookie: a=b; Domain=127.0.0.1\r\n"),
}  # fmt: skip

# Without content, whatever follows: the first caller gets no more than the status.
EMPTY = {
    "204 and a body": b"HTTP/1.1 204 No Content\r\n\r\n" + BODY,
    "204 with a length and a body": with_head(b"HTTP/1.1 204 No Content\r\n"),
    "204 and another answer": b"HTTP/1.1 204 No Content\r\n\r\n" + OTHERS,
    "304 and another answer": b"HTTP/1.1 304 Not Modified\r\n\r\n" + OTHERS,
    "304 with a length and a body": with_head(b"HTTP/1.1 304 Not Modified\r\n"),
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "204 with chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    + ONE_CHUNK
    + b"0\r\n\r\n",
}

# Not whole, not HTTP, or not for us: the first caller gets a 502.
BROKEN = {
    "an interim answer with a body": b"HTTP/1.1 103 Early\r\nContent-Length: 2\r\n\r\n  " + HELLO,
    "an interim answer that closes": b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + HELLO,
    "a comma before the transfer coding": OK
    + b"Transfer-Encoding: ,chunked\r\n\r\n"
    + ONE_CHUNK
    + b"0\r\n\r\n",
    "101 before it": b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + HELLO,
    "101 that upgrades": b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HELLO,
    "status 000": with_head(b"HTTP/1.1 000 No\r\n"),
    "status 099": with_head(b"HTTP/1.1 099 Low\r\n"),
    "status 600": with_head(b"HTTP/1.1 600 High\r\n"),
    "status 999": with_head(b"HTTP/1.1 999 Highest\r\n"),
    "status 2000": with_head(b"HTTP/1.1 2000 OK\r\n"),
    "status 20": with_head(b"HTTP/1.1 20 OK\r\n"),
    "no status": with_head(b"HTTP/1.1 OK\r\n"),
    "HTTP/0.9": with_head(b"HTTP/0.9 200 OK\r\n"),
    "HTTP/1.2": with_head(b"HTTP/1.2 200 OK\r\n"),
    "HTTP/2": with_head(b"HTTP/2 200 OK\r\n"),
    "HTTP/2.0": with_head(b"HTTP/2.0 200 OK\r\n"),
    "http/1.1": with_head(b"http/1.1 200 OK\r\n"),
    "ICY": with_head(b"ICY 200 OK\r\n"),
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + HELLO,
    "a blank before it": b" " + HELLO,
    "two lengths": with_head(OK + b"Content-Length: 2\r\n"),
    "the same length twice": with_head(OK + b"Content-Length: %d\r\n" % len(BODY)),
    "two lengths in one": with_length(b"%d, %d" % (len(BODY), len(BODY))),
    "a length of 5,000 digits": with_length(b"1" * 5000),
    "a length above 64 bits": with_length(b"18446744073709551616"),
    "a negative length": with_length(b"-1"),
    "a length with a sign": with_length(b"+%d" % len(BODY)),
    "a length in hexadecimal": with_length(b"0x12"),
    "a length in other digits": with_length("٣".encode()),
    "an empty length": with_length(b""),
    "a length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + ONE_CHUNK,
    "gzip as transfer coding": OK + b"Transfer-Encoding: gzip\r\n\r\n" + PACKED,
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + ONE_CHUNK + b"0\r\n\r\n",
    "gzip, then chunked, in two lines": (
        OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + ONE_CHUNK + b"0\r\n\r\n"
    ),
    "chunked, then gzip": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + ONE_CHUNK + b"0\r\n\r\n",
    "xchunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n" + ONE_CHUNK + b"0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\n" + BODY,
    "a negative chunk size": CHUNKED + b"-1\r\n" + BODY,
    "a chunk size with 0x": CHUNKED + b"0x3f\r\n" + BODY,
    "a chunk size above 64 bits": CHUNKED + b"f" * 17 + b"\r\n" + BODY,
    "a chunk longer than its size": CHUNKED + b"2\r\n" + BODY + b"\r\n0\r\n\r\n",
    "line feeds alone in chunks": CHUNKED + ONE_CHUNK.replace(b"\r", b"") + b"0\n\n",
    "line feeds alone in the head": HELLO.replace(b"\r\n", b"\n"),
    "no colon": with_head(OK + b"no colon\r\n"),
    "a blank before the colon": with_head(OK + b"X : y\r\n"),
    "a folded header": with_head(OK + b"X: y\r\n z\r\n"),
    "NUL in a header": with_head(OK + b"X: a\0b\r\n"),
    "NUL in a header's name": with_head(OK + b"X\0: b\r\n"),
    "a bare CR in a header": with_head(OK + b"X: a\rContent-Length: 1\r\n"),
    "102 headers": with_head(OK + b"X: y\r\n" * 101),
    "a header of 100 kB": with_head(OK + b"X: " + b"y" * 100_000 + b"\r\n"),
    "a trailer that names another length": CHUNKED + ONE_CHUNK + b"0\r\nContent-Length: 1\r\n\r\n",
    "deflate": answer(200, zlib.compress(BODY), "Content-Encoding: deflate"),
    "br": answer(200, BODY, "Content-Encoding: br"),
    "gzip twice": answer(200, gzip.compress(PACKED), "Content-Encoding: gzip, gzip"),
    "gzip that is not": answer(200, BODY, GZIP),
    "gzip that is truncated": answer(200, PACKED[:-9], GZIP),
    "gzip without its checksum": answer(200, PACKED[:-8], GZIP),
    "gzip with a wrong checksum": answer(200, PACKED[:-8] + bytes(8), GZIP),
    "gzip and something else": answer(200, PACKED + BODY, GZIP),
    "1,000 gzip members": answer(200, gzip.compress(b"") * 1000 + PACKED, GZIP),
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "nothing but zeros": bytes(1000),
    "gzip and zeros": answer(200, PACKED + bytes(8), GZIP),
    "gzip of nothing": answer(200, b"", GZIP),
    "UTF-16": answer(200, BODY.decode().encode("utf-16")),
    "a byte order mark": answer(200, b"\xef\xbb\xbf" + BODY),
    "an infinite number": answer(200, b'{"message": 1e999}'),
    "carriage returns alone": HELLO.replace(b"\r\n", b"\r"),
    "a reason that is another status line": b"HTTP/1.1 200 \nHTTP/1.1 200 OK\r\n" + HELLO[17:],
}


def answers_of_both(client: Service, upstream: ScriptedBackend, sent: bytes) -> tuple[Reply, Reply]:
    """Return what the first caller gets, for whom the odd answer is, and what the second one gets."""
    first = client.call(upstream.will(sends_and_stays(sent)))
    return first, client.call(upstream.will(sends_and_stays(OWN)))


@pytest.mark.parametrize("name", WHOLE)
def test_an_odd_answer_passes_and_does_not_reach_the_next_caller(
    client: Service, upstream: ScriptedBackend, name: str
) -> None:
    first, second = answers_of_both(client, upstream, WHOLE[name])

    assert first.answer == (200, {"status_code": 200, "message": "hello", "source": "client"})
    assert second.answer == (200, {"status_code": 200, "message": "his own", "source": "client"})


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_a_502_and_does_not_reach_the_next_caller(
    client: Service, upstream: ScriptedBackend, name: str
) -> None:
    first, second = answers_of_both(client, upstream, BROKEN[name])

    status, content = first.answer
    assert (status, content["source"]) == (502, "client")
    assert content["exc"] in EXPLANATIONS
    assert second.answer == (200, {"status_code": 200, "message": "his own", "source": "client"})


@pytest.mark.parametrize("name", EMPTY)
def test_an_answer_without_content_passes_and_does_not_reach_the_next_caller(
    client: Service, upstream: ScriptedBackend, name: str
) -> None:
    target = upstream.will(sends_and_stays(EMPTY[name]))

    first, second = client.call(target), client.call(upstream.will(sends_and_stays(OWN)))
    client.call(target)

    assert (str(first.status), first.body) == (name[:3], b"")
    assert second.answer == (200, {"status_code": 200, "message": "his own", "source": "client"})
    assert len(set(upstream.connections_of(target))) == 2, "what follows later must not answer the next call"


# llhttp skips a line end between messages.
ENDS = [name for name in WHOLE if name.endswith("after it") and not name.startswith("a line end")]


@pytest.mark.parametrize("name", [*ENDS, "more than its length", "close, and stays"])
def test_a_connection_with_bytes_after_its_answer_or_that_closes_is_not_used_again(
    client: Service, upstream: ScriptedBackend, name: str
) -> None:
    target = upstream.will(sends_and_stays(WHOLE[name]))

    for _ in range(2):
        client.call(target)

    first, second = upstream.connections_of(target)
    assert first is not second
