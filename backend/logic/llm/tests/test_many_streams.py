"""Many streams at once."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import pytest

from backend.logic.llm.tests.busy_endpoint import TOKENS
from tests.calls import JSON, connect, eventually, request
from tests.conftest import Start
from tests.event_streams import ACCEPT
from tests.processes import HOST, ROOT, free_port

STREAMS = 200
# What two hops may add to the wait for a first token (99th percentile), and what busy cores add (seconds).
ADDED, MARGIN = 0.25, 1.75
BODY = b'{"messages": [{"role": "user", "content": "hi"}]}'


@pytest.fixture
def endpoint_port() -> Iterator[int]:
    port = free_port()

    def listens() -> bool:
        with suppress(ConnectionError):
            connect(port).close()
            return True
        return False

    command = [sys.executable, "-m", "backend.logic.llm.tests.busy_endpoint", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            eventually("the endpoint listens", listens)
            yield port
        finally:
            process.terminate()


async def time_to_first_token(port: int, after: float) -> tuple[float, bytes]:
    """Begin a stream after so many seconds; return how long its first token took (seconds), and all of it."""
    await asyncio.sleep(after)
    asked = monotonic()
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request("/", "POST", ACCEPT, JSON, "Connection: close", body=BODY))
    stream = await reader.readuntil(b"token ")
    took = monotonic() - asked
    stream += await reader.read()
    writer.close()
    return took, stream


async def streamed(port: int, begin_within: float) -> tuple[float, list[bytes]]:
    """Read many streams at once; return the 99th percentile of their first tokens (seconds), and them."""
    begins = [begin_within * n / STREAMS for n in range(STREAMS)]
    read = await asyncio.gather(*(time_to_first_token(port, each) for each in begins))
    return sorted(took for took, _ in read)[STREAMS * 99 // 100 - 1], [stream for _, stream in read]


@pytest.mark.full
@pytest.mark.parametrize("begin_within", [0.0, 1.0])
def test_200_streams_of_60_tokens_at_once_are_whole_on_time_and_fit_into_a_process(
    start: Start, endpoint_port: int, begin_within: float
) -> None:
    url = f"http://{HOST}:{endpoint_port}/v1"
    backend = start("backend", LOGIC="llm", LLM_BASE_URL=url, LLM_MODEL="m", ACCESS_LOG="false")
    client = start("client", URL=f"{HOST}:{backend.port}", ACCESS_LOG="false")

    directly, _ = asyncio.run(streamed(endpoint_port, begin_within))
    through_both, streams = asyncio.run(streamed(client.port, begin_within))

    mib = {service.name: service.peak_mib() for service in (backend, client)}
    print(f"\nfirst token, p99: {directly:.3f} s directly, {through_both:.3f} s through both; MiB: {mib}")
    # The tokens, and the end with all of them.
    assert [stream.count(b"token ") for stream in streams] == [2 * TOKENS] * STREAMS
    assert all(b"event: end" in stream and b'"usage":{' in stream for stream in streams)
    assert max(mib.values()) <= 96
    assert through_both - directly <= ADDED + MARGIN
