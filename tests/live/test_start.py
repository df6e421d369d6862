"""A service that cannot start exits with 1 and logs a line for each reason."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from client.settings import ALLOWED
from tests.calls import eventually
from tests.conftest import Start
from tests.processes import ROOT, Service, environment, free_port

# The code is the same.
BOTH = pytest.mark.parametrize("service", ["backend", pytest.param("client", marks=pytest.mark.full)])


def failed_start(service: str, folder: Path, **settings: str) -> list[str]:
    """Return the messages that a service logs when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", service],
        cwd=ROOT,
        env=environment(folder, settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, ""), done
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(line["service"], line["level"]) for line in lines} == {(service, "CRITICAL")}
    return [line["message"] for line in lines]


@BOTH
def test_each_invalid_setting_is_named_in_a_line(service: str, tmp_path: Path) -> None:
    lines = failed_start(
        service, tmp_path, HOST="a b", PORT="tcp://10.0.0.1:8080", WORKERS="", ACCESS_LOG="yes"
    )

    assert lines == [
        "HOST='a b' is not allowed: expected a host name, an IPv4 address or an IPv6 address in brackets",
        "PORT='tcp://10.0.0.1:8080' is not allowed: expected a whole number from 1 to 65535",
        "WORKERS='' is not allowed: expected a whole number from 1 to 64",
        "ACCESS_LOG='yes' is not allowed: expected true or false",
    ]


def test_an_invalid_url_is_named_without_its_secrets(tmp_path: Path) -> None:
    lines = failed_start("client", tmp_path, URL="https://me:hunter2@backend\n/?token=hunter3")

    assert lines == [f"URL='***' is not allowed: expected {ALLOWED}"]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert failed_start("backend", tmp_path, HOST="127.0.0.1", PORT=str(port)) == [
            f"HOST=127.0.0.1 PORT={port}: cannot listen: Address already in use"
        ]


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("nowhere.invalid", "Name or service not known|Temporary failure in name resolution"),
    ],
)
def test_an_address_of_another_machine_is_named(tmp_path: Path, host: str, why: str) -> None:
    (line,) = failed_start("backend", tmp_path, HOST=host)

    assert re.fullmatch(f"HOST={host} PORT=8080: cannot listen: ({why})", line), line


@BOTH
def test_a_draining_flag_that_cannot_be_removed_is_a_line(service: str, tmp_path: Path) -> None:
    flag = tmp_path / "draining"
    flag.mkdir()

    (line,) = failed_start(service, tmp_path, HOST="127.0.0.1", PORT=str(free_port()))

    assert line.startswith(f"{flag}: cannot remove the draining flag: "), line


@BOTH
def test_a_script_name_in_the_environment_is_ignored(start: Start, backend: Service, service: str) -> None:
    it = start(service, SCRIPT_NAME="/app", URL=f"127.0.0.1:{backend.port}")

    assert it.call("/nothing").status == 404
    assert it.call("/healthz").status == 200


@pytest.mark.parametrize(("closed", "is_logged"), [("<&- >&-", True), (">&- 2>&-", False)])
def test_a_service_whose_standard_streams_are_closed_serves(
    tmp_path: Path, closed: str, *, is_logged: bool
) -> None:
    port = free_port()
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "backend"]
    settings = {"HOST": "127.0.0.1", "PORT": str(port)}
    env = environment(tmp_path, settings)
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log) as it,
    ):
        service = Service("backend", "127.0.0.1", port, it, tmp_path)
        eventually("it answers", lambda: service.answers() or it.poll() is not None)
        assert service.call("/").status == 200
        service.stop()

    assert bool(service.requests(path="/", status=200)) is is_logged
    assert is_logged or service.log == ""
