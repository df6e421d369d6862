"""A log that nobody reads never blocks."""

import json
import os
import pty
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.serving.log_lines import LogLines
from common.serving.log_stream import PIPE_BYTES, LogStream

LINES = LogLines("backend", "pod", is_json=True)


def assert_says(line: str, dropped: int) -> None:
    message = f"{dropped} log lines dropped: nobody read them"
    expected = {"level": "WARNING", "service": "backend", "pod": "pod", "message": message}
    assert expected.items() <= json.loads(line).items()


@pytest.fixture(params=["opened anew", "polled"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe that can be opened anew, or cannot."""
    if request.param == "polled":

        def refuse(*_: object) -> int:
            raise PermissionError

        monkeypatch.setattr(os, "open", refuse)
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)
    os.close(reading)


def fill(log: LogStream) -> int:
    """Write lines until one is dropped; return the number of those before it."""
    number = 0
    while not log.dropped:
        log.write(f"{number:099}\n")
        number += 1
    return number - 1


def test_lines_are_written_at_once(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = LogStream(writing, LINES)

    log.write("a\n")
    assert os.read(reading, 100) == b"a\n"
    print("b", file=log)
    assert os.read(reading, 100) == b"b\n"


def test_lines_that_do_not_fit_are_dropped_and_counted_once_there_is_room(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = LogStream(writing, LINES)
    number = fill(log)
    log.write("dropped\ndropped\n")

    lines = os.read(reading, 2 * PIPE_BYTES).decode().splitlines()
    assert [int(line) for line in lines] == list(range(number))
    assert number * 100 > PIPE_BYTES * 3 // 4
    log.write("next\n")
    log.write("last\n")

    said, *rest = os.read(reading, 1000).decode().splitlines()
    assert_says(said, 3)
    assert rest == ["next", "last"]


def test_a_line_that_is_cut_is_ended_before_the_next(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = LogStream(writing, LINES)
    log.write("x" * 2 * PIPE_BYTES + "\n")

    cut = os.read(reading, 2 * PIPE_BYTES)
    log.write("next\n")

    assert set(cut) == {ord("x")}
    empty, said, line = os.read(reading, 1000).decode().splitlines()
    assert (empty, line) == ("", "next")
    assert_says(said, 1)


def test_the_descriptor_still_blocks_for_others(pipe: tuple[int, int]) -> None:
    _, writing = pipe

    fill(LogStream(writing, LINES))

    assert os.get_blocking(writing)


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    log = LogStream(writing, LINES)
    os.close(reading)

    assert log.write("a\n") == 2
    assert (log.dropped, log.dropped_ever) == (1, 1)
    os.close(writing)


def test_a_socket_that_nobody_reads_does_not_block() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert fill(LogStream(ours.fileno(), LINES)) > 0
        assert ours.getblocking()


def test_a_terminal_that_is_stopped_does_not_block() -> None:
    ours, theirs = pty.openpty()
    log = LogStream(theirs, LINES)
    log.write("a\n")
    with os.fdopen(ours, "rb") as terminal:
        assert terminal.readline() == b"a\r\n"

        assert fill(log) > 0

    os.close(theirs)


def test_a_file_takes_everything_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as file:
        log = LogStream(file.fileno(), LINES)
        log.write("x" * 2 * PIPE_BYTES)
        log.write("\n")

    assert path.read_text() == "before\n" + "x" * 2 * PIPE_BYTES + "\n"


def test_any_text_is_written_as_utf_8(pipe: tuple[int, int]) -> None:
    reading, writing = pipe

    LogStream(writing, LINES).write("é \ud800\n")

    assert os.read(reading, 100) == "é \\ud800\n".encode()
