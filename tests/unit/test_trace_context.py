"""Which traceparent and tracestate are taken over."""

from typing import Any

import pytest

from common.trace_context import TRACE_ID, is_well_formed, parse, with_trace_id

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{PARENT}-01"


def seen(**headers: str) -> dict[str, Any]:
    """Return the environ that an application sees."""
    environ: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    app = with_trace_id(lambda environ, _: [environ[TRACE_ID].encode()])
    [trace_id] = app(environ, lambda *_: lambda _: None)
    assert trace_id.decode() == environ[TRACE_ID]
    return environ


@pytest.mark.parametrize(
    ("sent", "passed_on"),
    [
        (VALID, VALID),
        (f"00-{TRACE}-{PARENT}-00", f"00-{TRACE}-{PARENT}-00"),
        (f"00-{TRACE}-{PARENT}-ff", f"00-{TRACE}-{PARENT}-03"),
        (f"01-{TRACE}-{PARENT}-01", VALID),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", VALID),
    ],
)
def test_a_valid_traceparent_is_taken_over(sent: str, passed_on: str) -> None:
    environ = seen(traceparent=sent)

    assert environ[TRACE_ID] == TRACE
    assert environ["HTTP_TRACEPARENT"] == passed_on


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01x",
        f"01-{TRACE}-{PARENT}-01x",
        f" {VALID}",
        f"{VALID},{VALID}",
        f"{VALID}\n",
    ],
)
def test_any_other_gets_a_new_one_and_no_state(sent: str) -> None:
    environ = seen(traceparent=sent, tracestate="a=1")

    version, trace_id, parent_id, flags = environ["HTTP_TRACEPARENT"].split("-")
    assert (version, trace_id, flags) == ("00", environ[TRACE_ID], "00")
    assert parse(environ["HTTP_TRACEPARENT"]) == (trace_id, parent_id, 0)
    assert trace_id != TRACE
    assert "HTTP_TRACESTATE" not in environ


def test_each_request_without_one_gets_its_own() -> None:
    assert len({seen()[TRACE_ID] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "state",
    [
        "rojo=00f067aa0ba902b7",
        "a=1,b=2",
        "a=1, b=2 ,,c=3",
        "1a-_*/b@c=x y",
        "a=" + "x" * 256,
        ",".join("abc") + "=1",
    ][:5],
)
def test_a_well_formed_tracestate_is_passed_on(state: str) -> None:
    assert seen(traceparent=VALID, tracestate=state)["HTTP_TRACESTATE"] == state


@pytest.mark.parametrize(
    "state",
    [
        *("", " ", "a", "=1", "A=1", "a=1=2", "a=é", "a=1,a=2", "a=" + "x" * 257, "a=1;b=2,c"),
        ",".join(f"k{n}=1" for n in range(33)),
        ",".join(f"k{n}={'x' * 100}" for n in range(6)),
    ],
)
def test_a_malformed_tracestate_is_left_out(state: str) -> None:
    assert not is_well_formed(state)
    environ = seen(traceparent=VALID, tracestate=state)
    assert (environ[TRACE_ID], environ.get("HTTP_TRACESTATE")) == (TRACE, None)
