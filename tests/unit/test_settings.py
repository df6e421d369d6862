"""Settings are read from the environment; all invalid ones are reported at once."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from backend.settings import Settings as BackendSettings
from client.settings import Settings as ClientSettings
from client.transport import MAX_AGE, SWEEP_INTERVAL
from common.contract import MAX_CONNECT_SECONDS
from common.serving.server import options
from common.serving.stopping import HOLD, PRE_STOP, grace_period, graceful_timeout, requests_timeout
from common.settings import SettingsError, flag, host, number


def test_an_empty_environment_means_the_defaults() -> None:
    backend, client = BackendSettings.from_environ({}), ClientSettings.from_environ({})

    assert (backend.host, backend.port, client.port) == ("0.0.0.0", 8080, 8082)
    assert client.url == "http://localhost:8080"
    assert (client.answer_timeout, client.max_in_flight, client.access_log) == (30.0, 1000, True)


def test_variables_are_read_and_unrelated_ones_are_ignored() -> None:
    settings = ClientSettings.from_environ(
        {"PORT": "1", "WORKERS": "3", "ANSWER_TIMEOUT": "1.5", "ACCESS_LOG": "false", "port": "x", "PATH": ""}
    )

    assert (settings.port, settings.workers, settings.answer_timeout) == (1, 3, 1.5)
    assert settings.access_log is False


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (number(1, 65535), "1", 1),
        (number(1, 65535), "65535", 65535),
        (number(1, 10), "007", 7),
        (number(1, 3600, float), "1", 1.0),
        (number(1, 3600, float), "2.50", 2.5),
        (flag, "true", True),
        (flag, "false", False),
        (host, "0.0.0.0", "0.0.0.0"),
        (host, "[::]", "[::]"),
        (host, "localhost", "localhost"),
    ],
)
def test_a_valid_value_is_parsed(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "11", "-1", "+1", "1.5", "1.", "1e1", "0x1", "1_0", " 1", "1\n", "٣", "²", "nan", "tcp://a:1",
     "9" * 5000],
)  # fmt: skip
def test_an_invalid_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a whole number from 1 to 10$"):
        number(1, 10)(text)


@pytest.mark.parametrize("text", ["", "0.9", "10.1", ".5", "1.", "nan", "inf", "1e0", "1,5", "-1", "1 s"])
def test_an_invalid_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a number from 1 to 10$"):
        number(1, 10, float)(text)


@pytest.mark.parametrize("text", ["", "True", "TRUE", "1", "yes", "true "])
def test_an_invalid_flag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        flag(text)


@pytest.mark.parametrize("text", ["", "a b", "::1", "[::1", "unix:/x", "a:80", "a/b", "a\n", "*", "[a]b"])
def test_an_invalid_address_to_listen_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a host name"):
        host(text)


def test_every_invalid_setting_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    bad = {"URL": "http://me:hunter2@b\n", "PORT": "0", "WORKERS": "many", "MAX_ANSWER_BYTES": "-1"}

    with pytest.raises(SettingsError) as caught:
        ClientSettings.from_environ(bad | {"HOST": "127.0.0.1"})

    lines = str(caught.value).split("\n")
    assert sorted(line.split("=")[0] for line in lines) == sorted(bad)
    assert all(" is not allowed: expected " in line for line in lines)
    assert capsys.readouterr() == ("", ""), sys.argv


def test_the_start_up_line_has_every_setting() -> None:
    line = str(ClientSettings.from_environ({"WORKERS": "1", "URL": "backend"}))

    assert line == (
        "HOST=0.0.0.0 PORT=8082 WORKERS=1 ANSWER_TIMEOUT=30.0 STREAM_TIMEOUT=120.0 MAX_IN_FLIGHT=1000 "
        "MAX_BUFFERED_BYTES=33554432 MAX_REQUEST_BYTES=1048576 IDLE_TIMEOUT=620 ACCESS_LOG=True "
        "LOG_FORMAT=auto TRUSTED_PROXIES= METRICS_PORT=9464 GIT_COMMIT=unknown OTEL_RESOURCE_ATTRIBUTES= "
        "OTEL_EXPORTER_OTLP_ENDPOINT= OTEL_TRACES_SAMPLER=parentbased_traceidratio "
        "OTEL_TRACES_SAMPLER_ARG=0.1 OTEL_SERVICE_NAME= OTEL_SDK_DISABLED=False "
        "URL=http://backend:8080 URL_CA_FILE= MAX_ANSWER_BYTES=1048576 PAGE=True"
    )


@pytest.mark.parametrize("seconds", ["1", "1.5", "30", "3600"])
def test_the_graceful_timeout_is_longer_than_the_slowest_answer(seconds: str) -> None:
    settings = ClientSettings.from_environ({"ANSWER_TIMEOUT": seconds})

    assert requests_timeout(settings) > MAX_CONNECT_SECONDS + settings.answer_timeout + 1
    assert graceful_timeout(settings) > HOLD - PRE_STOP + requests_timeout(settings)
    assert grace_period(settings) > PRE_STOP + graceful_timeout(settings)
    assert options(settings)["graceful_timeout"] == graceful_timeout(settings)


def test_callers_that_idle_for_a_minute_come_by_before_their_connection_is_closed() -> None:
    assert HOLD > 60


def test_no_post_is_sent_on_a_connection_that_the_backend_is_about_to_close() -> None:
    idle = MAX_AGE + SWEEP_INTERVAL  # in the client's pool

    assert idle < HOLD
    assert idle < BackendSettings.from_environ({}).idle_timeout


def test_sizes_that_cannot_fit_the_budget_are_refused() -> None:
    fits = {"MAX_REQUEST_BYTES": "400000", "MAX_ANSWER_BYTES": "600000", "MAX_BUFFERED_BYTES": "2000000"}
    ClientSettings.from_environ(fits)
    with pytest.raises(SettingsError) as client:
        ClientSettings.from_environ(fits | {"MAX_BUFFERED_BYTES": "1999999"})
    with pytest.raises(SettingsError) as backend:
        BackendSettings.from_environ({"MAX_REQUEST_BYTES": "2000000", "MAX_BUFFERED_BYTES": "1999999"})

    assert str(client.value) == (
        "MAX_REQUEST_BYTES=400000 and MAX_ANSWER_BYTES=600000 are not allowed: "
        "expected together at most half of MAX_BUFFERED_BYTES=1999999"
    )
    assert str(backend.value) == (
        "MAX_REQUEST_BYTES=2000000 is not allowed: expected at most MAX_BUFFERED_BYTES=1999999"
    )
