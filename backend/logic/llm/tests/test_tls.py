"""An https endpoint, whose certificate is always verified."""

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from backend.logic.llm.endpoint import BROKE_OFF
from backend.logic.llm.tests.scripted_endpoint import Endpoint, completion
from tests.calls import PATIENCE, error
from tests.conftest import Start
from tests.scripted_backend import read_body, read_head

NEW_CERTIFICATE = [
    *("openssl", "req", "-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` that nobody has signed, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine, which makes the certificate")
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subprocess.run(
        [*NEW_CERTIFICATE, "-keyout", file, "-out", file.with_suffix(".crt")],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + file.with_suffix(".crt").read_bytes())
    return file


@pytest.mark.parametrize("trusted", [True, False])
def test_an_https_endpoint_needs_a_certificate_of_a_trusted_ca(
    start: Start, endpoint: Endpoint, certificate: Path, *, trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://localhost:{listener.getsockname()[1]}/v1"
        settings = endpoint.settings | {"LLM_BASE_URL": url}
        backend = start("backend", **settings, SSL_CERT_FILE=str(certificate) if trusted else "/dev/null")

        def serve() -> None:
            with (
                suppress(ssl.SSLError),
                context.wrap_socket(listener.accept()[0], server_side=True) as served,
            ):
                read_body(served, read_head(served))
                served.sendall(completion("a secret"))

        server = threading.Thread(target=serve)
        server.start()
        reply = backend.call("/?prompt=hi")
        server.join(PATIENCE)

    if trusted:
        assert reply.answer[1]["message"] == "a secret"
    else:
        assert reply.answer == error(502, BROKE_OFF, "backend")
        assert "CERTIFICATE_VERIFY_FAILED" in backend.log
