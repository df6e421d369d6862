"""A service that cannot start exits with 1 and prints a line for each reason."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from client.settings import ALLOWED
from tests.processes import ROOT, environment, free_port


def failed_start(service: str, folder: Path, **settings: str) -> list[str]:
    """Return the lines that a service prints when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", service],
        cwd=ROOT,
        env=environment(folder, settings),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    return done.stderr.splitlines()


@pytest.mark.parametrize("service", ["backend", "client"])
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


@pytest.mark.parametrize("service", ["backend", "client"])
def test_a_draining_flag_that_cannot_be_removed_is_a_line(service: str, tmp_path: Path) -> None:
    flag = tmp_path / "draining"
    flag.mkdir()

    (line,) = failed_start(service, tmp_path, HOST="127.0.0.1", PORT=str(free_port()))

    assert line.startswith(f"{flag}: cannot remove the draining flag: "), line
