"""Server-sent events, in whatever pieces they arrive, and which callers get them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import sse

DATA = st.binary().map(lambda data: data.translate(None, b"\r\n"))


@given(
    st.lists(st.tuples(st.sampled_from(["", "end"]), DATA)),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(1, 20)),
)
def test_events_are_decoded_as_they_were_encoded_whatever_the_pieces(
    events: list[tuple[str, bytes]], line_end: bytes, sizes: list[int]
) -> None:
    sent = b"".join(sse.encoded(data, name) for name, data in events).replace(b"\n", line_end)
    decoder = sse.Decoder(10_000)
    decoded: list[sse.Event | None] = []
    for size in [*sizes, len(sent)]:
        decoded += decoder.decode(sent[:size])
        sent = sent[size:]

    assert decoded == [sse.Event(name, data) for name, data in events]
    assert decoder.held == 0


@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"\n", b"data: a\n", b"\r", b"data", b":"])))
def test_any_bytes_are_events_or_too_large_and_never_held_beyond_the_limit(pieces: list[bytes]) -> None:
    decoder = sse.Decoder(500)
    try:
        for piece in pieces:
            assert all(each is None or len(each.data) <= 500 for each in decoder.decode(piece))
            assert decoder.held <= 500
    except sse.TooLarge as error:
        assert str(error) == "event of more than 500 bytes"  # noqa: PT017  most bytes do not raise


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream", True),
        ("application/json, text/event-stream;q=0.5", True),
        ("text/event-stream;q=0", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_only_callers_who_name_events_get_them(accept: str, wants: bool) -> None:  # noqa: FBT001
    assert sse.wants_events({"REQUEST_METHOD": "GET", "HTTP_ACCEPT": accept}) == wants
    assert not sse.wants_events({"REQUEST_METHOD": "HEAD", "HTTP_ACCEPT": accept})
