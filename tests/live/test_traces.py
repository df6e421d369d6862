"""The spans that a collector gets, and that nothing depends on a collector."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from random import getrandbits
from statistics import median
from time import monotonic, time_ns

import pytest

from common.settings import ServiceSettings, SettingsError
from common.trace_context import PARENT_ID, TRACE_ID
from common.tracing import is_on
from common.tracing import requests as tracing
from common.tracing.requests import MAX_TRACES, Sampling
from tests.calls import PATIENCE, eventually
from tests.collector import SOON, Collector, Received, collecting
from tests.conftest import Start
from tests.event_streams import HEAD, LAST_CHUNK, event, reading
from tests.processes import ROOT, Service, environment, free_port, running
from tests.scripted_backend import HELLO, ScriptedBackend, sends

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "hunter2swordfish"
# For busy cores; whoever waits for a collector that hangs waits twice as long (seconds).
MARGIN = 5.0


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as it:
        yield it


@pytest.fixture(scope="module")
def shared() -> Iterator[Collector]:
    """A collector for all tests that look for traces of their own."""
    with collecting() as it:
        yield it


@pytest.fixture(scope="module")
def client(shared: Collector, upstream: ScriptedBackend) -> Iterator[Service]:
    """A client that calls the scripted backend."""
    with running("client", ROOT, URL=f"127.0.0.1:{upstream.port}", **shared.settings) as it:
        yield it


def new_trace() -> tuple[str, str]:
    """Return a trace id, and the header of a caller who traces it."""
    trace_id = f"{getrandbits(128) | 1:032x}"
    return trace_id, f"traceparent: 00-{trace_id}-{PARENT}-01"


def traceparents(upstream: ScriptedBackend, target: str) -> list[str]:
    """Return the traceparent of each request for a target."""
    heads = b"".join(upstream.seen(target)).decode()
    return re.findall(r"\r\ntraceparent: (\S+)\r\n", heads, flags=re.IGNORECASE)


def encloses(outer: Received, inner: Received) -> bool:
    return outer.began <= inner.began <= inner.ended <= outer.ended


def test_a_request_is_a_trace_of_the_client_the_call_and_the_backend(
    start: Start, collector: Collector
) -> None:
    backend = start("backend", **collector.settings)
    client = start("client", URL=f"127.0.0.1:{backend.port}", **collector.settings)

    assert client.call(f"/?secret={SECRET}", "GET", "User-Agent: test", f"X-Secret: {SECRET}").status == 200
    client.call("/healthz")

    ours, call, theirs = collector.await_spans(3)
    assert [(each.service, each.kind, each.name) for each in (ours, call, theirs)] == [
        ("client", "SERVER", "GET /"),
        ("client", "CLIENT", "GET"),
        ("backend", "SERVER", "GET /"),
    ]
    assert (ours.parent_id, call.parent_id, theirs.parent_id) == ("", ours.id, call.id)
    assert encloses(ours, call)
    assert (
        call.began <= theirs.began <= call.ended
    )  # it ends once its last byte is sent, about when the call does
    [line] = client.requests(path="/")
    [their_line] = backend.requests(path="/")
    ids = {line["trace_id"], their_line["trace_id"], *(each.trace_id for each in (ours, call, theirs))}
    assert len(ids) == 1
    assert ours.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/",
        "url.scheme": "http",
        "url.path": "/",
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "test",
    }
    assert call.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": f"http://127.0.0.1:{backend.port}/",
        "server.address": "127.0.0.1",
        "server.port": backend.port,
    }
    assert SECRET.encode() not in b"".join(collector.bodies)


def test_each_try_to_call_is_a_span_of_its_own_with_a_traceparent_of_its_own(
    client: Service, shared: Collector, upstream: ScriptedBackend
) -> None:
    trace_id, traceparent = new_trace()
    target = upstream.will(sends(HELLO[:20]), sends(HELLO))

    assert client.call(target, "GET", traceparent).status == 200

    ours, first, second = shared.await_spans(3, trace_id)
    assert ours.parent_id == PARENT
    assert (first.parent_id, second.parent_id) == (ours.id, ours.id)
    assert (first.is_error, second.is_error, ours.is_error) == (True, False, False)
    assert first.attributes["error.type"] == "BrokenOff"
    assert "http.request.resend_count" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1
    assert traceparents(upstream, target) == [f"00-{trace_id}-{each.id}-01" for each in (first, second)]


def test_what_no_try_repairs_is_an_error_in_each_span(
    client: Service, shared: Collector, upstream: ScriptedBackend
) -> None:
    trace_id, traceparent = new_trace()

    assert client.call(upstream.will(sends(HELLO[:20])), "GET", traceparent).status == 502

    ours, *tries = shared.await_spans(4, trace_id)
    assert {each.attributes["error.type"] for each in tries} == {"BrokenOff"}
    assert (ours.is_error, ours.attributes["error.type"]) == (True, "502")


def test_a_stream_is_a_span_until_its_end(
    client: Service, shared: Collector, upstream: ScriptedBackend
) -> None:
    trace_id, traceparent = new_trace()
    ending = threading.Event()

    def streams(connection: socket.socket) -> None:
        connection.sendall(HEAD + event({"a": 1}))
        ending.wait(PATIENCE)
        connection.sendall(event({}, "end") + LAST_CHUNK)

    with reading(client.port, upstream.will(streams), "GET", traceparent) as (_, events):
        assert next(events) == ("", {"a": 1})
        before_the_end = time_ns()
        ending.set()
        list(events)

    ours, call = shared.await_spans(2, trace_id)
    assert call.ended < before_the_end < ours.ended


def test_the_callers_decision_is_followed_and_passed_on(
    client: Service, shared: Collector, upstream: ScriptedBackend
) -> None:
    trace_id, traceparent = new_trace()
    target = upstream.will(sends(HELLO))

    for flags in ("00", "01", "00"):
        client.call(target, "GET", f"{traceparent[:-2]}{flags}")

    shared.await_spans(2, trace_id)
    assert [each[-2:] for each in traceparents(upstream, target)] == ["00", "01", "00"]


def test_a_caller_cannot_have_more_traced_than_a_fixed_number_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 7.0
    monkeypatch.setattr(tracing, "monotonic", lambda: now)
    sampling = Sampling(lambda _: True, follows=True)

    for _ in range(3):
        traceparents = [f"00-{TRACE}-{PARENT}-01"] * (2 * MAX_TRACES)
        environs = [{"HTTP_TRACEPARENT": it, PARENT_ID: PARENT, TRACE_ID: TRACE} for it in traceparents]
        assert sum(sampling.trace(each) is not None for each in environs) == MAX_TRACES
        now += 1


def test_one_request_in_ten_is_traced_unless_told_otherwise(start: Start, collector: Collector) -> None:
    settings = {name: text for name, text in collector.settings.items() if "SAMPLER" not in name}
    backend = start("backend", **settings)
    named = start("backend", **settings, OTEL_TRACES_SAMPLER_ARG="1", OTEL_SERVICE_NAME="ours")

    for service, number in ((backend, 300), (named, 5)):
        for _ in range(number):
            service.call()
        service.stop()

    services = Counter(each.service for each in collector.spans)
    assert services.keys() == {"backend", "ours"}
    assert 5 <= services["backend"] <= 70  # a chance of less than one in a million to be outside
    assert services["ours"] == 5


def test_what_was_traced_last_is_sent_before_the_end(start: Start, collector: Collector) -> None:
    backend = start("backend", **collector.settings | {"OTEL_BSP_SCHEDULE_DELAY": "60000"})

    backend.call()
    backend.stop()

    assert len(collector.spans) == 1


def answers(service: Service, status: int) -> bool:
    return service.call().status == status


@pytest.mark.full
def test_a_broken_edit_does_not_end_what_traces_and_reloads_go_on_tracing(
    collector: Collector, tmp_path: Path
) -> None:
    for package in ("backend", "common"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "common" / "settings.py"
    sound = file.read_text()

    with running("backend", tmp_path, **collector.settings) as backend:
        for text, status in (("1 / 0", 500), (sound, 200)):
            file.write_text(text)
            backend.signal(signal.SIGHUP)
            eventually(f"a {status}", partial(answers, backend, status))
        trace_id, traceparent = new_trace()
        backend.call("/", "GET", traceparent)

        collector.await_spans(1, trace_id)


def refusing() -> AbstractContextManager[int]:
    """Return a port that refuses connections."""
    return nullcontext(free_port())


@contextmanager
def hanging() -> Iterator[int]:
    """Return a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("collects", [pytest.param(refusing, marks=pytest.mark.full), hanging])
def test_a_collector_that_is_away_or_hangs_costs_no_request_no_probe_and_no_stop(
    start: Start, collects: Callable[[], AbstractContextManager[int]]
) -> None:
    with collects() as port:
        backend = start(
            "backend",
            **SOON,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}/{SECRET}",
            OTEL_TRACES_SAMPLER="always_on",
        )
        until, probes = monotonic() + 1, []
        while monotonic() < until:
            assert backend.call().status == 200
            probes.append(backend.call("/healthz").seconds)
        began = monotonic()
        backend.stop()

        assert monotonic() - began < 2 + MARGIN
        assert SECRET not in backend.log
        assert median(probes) < 0.25
        assert max(probes) < MARGIN


def test_nothing_is_traced_where_the_sdk_is_disabled() -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    assert is_on(ServiceSettings.from_environ(settings))
    assert not is_on(ServiceSettings.from_environ(settings | {"OTEL_SDK_DISABLED": "true"}))
    assert not is_on(ServiceSettings.from_environ({}))


def test_without_an_endpoint_the_library_is_not_imported() -> None:
    code = (
        "import sys, common.serving.worker, backend.app, client.app; sys.exit('opentelemetry' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_an_endpoint_without_the_library_keeps_a_service_from_starting_and_says_what_to_install(
    tmp_path: Path,
) -> None:
    # As if it were not installed: Python looks here first, and finds something else.
    (tmp_path / "opentelemetry.py").touch()
    settings = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    done = subprocess.run(
        [sys.executable, "-m", "backend"],
        cwd=ROOT,
        env=environment(tmp_path, {"PORT": str(free_port()), **settings}),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 1
    [line] = [json.loads(each) for each in done.stdout.splitlines()]
    assert "install requirements/tracing.txt" in line["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@localhost"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "10"),
        ("OTEL_SERVICE_NAME", "a b"),
        ("OTEL_SDK_DISABLED", "yes"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}=.* is not allowed: expected ") as refused:
        ServiceSettings.from_environ({name: value})
    assert "secret" not in str(refused.value)


def test_what_is_not_traced_here_is_not_said_to_be() -> None:
    environ = {"HTTP_TRACEPARENT": f"00-{TRACE}-{PARENT}-03", PARENT_ID: PARENT, TRACE_ID: TRACE}

    assert not Sampling(lambda _: False, follows=False).trace(environ)

    version, trace_id, parent_id, flags = environ["HTTP_TRACEPARENT"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "02")
    assert parent_id != PARENT
