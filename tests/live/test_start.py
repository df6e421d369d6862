"""What keeps a service from starting: one line each, exit code 1."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from client.settings import ALLOWED
from tests.processes import ROOT, environment


def refusal(service: str, folder: Path, **settings: str) -> list[str]:
    """The lines with which it refuses to start."""
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
def test_each_bad_setting_is_a_line(service: str, tmp_path: Path) -> None:
    lines = refusal(service, tmp_path, HOST="a b", PORT="tcp://10.0.0.1:8080", WORKERS="", ACCESS_LOG="yes")

    assert lines == [
        "HOST='a b' is not allowed: expected a host name, an IPv4 address or an IPv6 address in brackets",
        "PORT='tcp://10.0.0.1:8080' is not allowed: expected a whole number from 1 to 65535",
        "WORKERS='' is not allowed: expected a whole number from 1 to 64",
        "ACCESS_LOG='yes' is not allowed: expected true or false",
    ]


def test_a_bad_url_is_a_line_without_its_secrets(tmp_path: Path) -> None:
    lines = refusal("client", tmp_path, URL="https://me:hunter2@backend\n/?token=hunter3")

    assert lines == [rf"URL='https://***@backend\n/?***' is not allowed: expected {ALLOWED}"]


def test_a_taken_port_is_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert refusal("backend", tmp_path, HOST="127.0.0.1", PORT=str(port)) == [
            f"HOST=127.0.0.1 PORT={port}: cannot listen: Address already in use"
        ]


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("nowhere.invalid", "Name or service not known|Temporary failure in name resolution"),
    ],
)
def test_a_host_that_is_not_this_machines_is_a_line(tmp_path: Path, host: str, why: str) -> None:
    (line,) = refusal("backend", tmp_path, HOST=host)

    assert re.fullmatch(f"HOST={host} PORT=8080: cannot listen: ({why})", line), line
