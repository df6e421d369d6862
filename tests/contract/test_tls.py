"""A backend that speaks TLS under a private CA, which URL_CA_FILE names; certificates are always verified."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from client.settings import Settings
from client.transport import PooledAdapter
from common.settings import SettingsError
from tests.calls import PATIENCE, error
from tests.conftest import Start
from tests.scripted_backend import HELLO, ScriptedBackend, sends_and_stays, serving

UNREACHABLE = error(502, "backend unreachable")


class TLSBackend(ScriptedBackend):
    """A scripted backend behind a certificate."""

    context: ssl.SSLContext

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *_: object) -> None:
        """Stay silent where a client refuses the certificate."""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CAs, ca.pem and other.pem; the first signed server.pem for `localhost`."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine, which makes the certificates")
    folder = tmp_path_factory.mktemp("tls")
    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "other"):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        openssl(folder, *new, "-x509", "-days", "2", "-subj", f"/CN={name}", *files)
    files = ["-keyout", "server.key", "-out", "server.csr"]
    openssl(folder, *new, "-subj", "/CN=backend", "-addext", "subjectAltName=DNS:localhost", *files)
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
    openssl(folder, "x509", "-req", "-in", "server.csr", "-days", "1", *signed, "-out", "server.pem")
    return folder


@pytest.fixture(scope="module")
def backend(folder: Path) -> Iterator[ScriptedBackend]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    TLSBackend.context = context
    with serving(TLSBackend) as backend:
        yield backend


def test_a_certificate_of_the_named_ca_is_accepted_and_its_connection_kept(
    start: Start, backend: ScriptedBackend, folder: Path
) -> None:
    client = start("client", URL=f"https://localhost:{backend.port}", URL_CA_FILE=str(folder / "ca.pem"))
    target = backend.will(sends_and_stays(HELLO))

    assert [client.call(target).status for _ in range(5)] == [200] * 5
    assert len(set(backend.connections_of(target))) == 1


def test_another_certificate_is_a_502(start: Start, backend: ScriptedBackend, folder: Path) -> None:
    another_ca = {"URL": f"https://localhost:{backend.port}", "URL_CA_FILE": str(folder / "other.pem")}
    no_ca = {"URL": f"https://localhost:{backend.port}"}
    another_host = {"URL": f"https://127.0.0.1:{backend.port}", "URL_CA_FILE": str(folder / "ca.pem")}
    clients = [start("client", **settings) for settings in (another_ca, no_ca, another_host)]
    target = backend.will(sends_and_stays(HELLO))

    with ThreadPoolExecutor(3) as callers:  # each takes the whole time for reaching the backend
        replies = list(callers.map(lambda client: client.call(target), clients))

    assert [reply.answer for reply in replies] == [UNREACHABLE] * 3
    assert backend.seen(target) == []
    assert all("CERTIFICATE_VERIFY_FAILED" in client.log for client in clients)


def test_an_absolute_name_is_verified_without_its_dot(
    backend: ScriptedBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PooledAdapter(str(folder / "ca.pem"))) as adapter:
        addresses = adapter.dns.addresses("localhost", backend.port)
        monkeypatch.setattr(adapter.dns, "addresses", lambda *_: addresses)  # not every system knows it
        url = f"https://localhost.:{backend.port}{backend.will(sends_and_stays(HELLO))}"

        response = adapter.send(requests.Request("GET", url).prepare(), timeout=PATIENCE)

    assert response.json()["message"] == "hello"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_without_certificates_is_refused_at_start_up(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError, match="expected a readable file of CA certificates in PEM format"):
        Settings.from_environ({"URL": "https://backend", "URL_CA_FILE": str(file)})
