"""The peers that are compared: this pair and what one would otherwise write."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.services import ROOT, Runtime, free_port, install, running, wait_for

PEERS_FOLDER = ROOT / "bench/peers"
PAIR = "this pair"
NGINX = "f: nginx"
FLASK = "-m flask --app {app} run --port {port}"
GUNICORN = "-m gunicorn --threads 4 --bind 127.0.0.1:{port} {app}:app"
UVICORN = "-m uvicorn --port {port} {app}:app"


@dataclass(frozen=True)
class Peer:
    """A client and its backend, both started with the same command."""

    name: str
    requirements: str
    command: str
    backend: str
    client: str
    folder: Path = PEERS_FOLDER


PEERS = (
    Peer(PAIR, "requirements/client.txt", "-m {app}", "backend", "client", ROOT),
    Peer("a: Flask's server, get", "bench/requirements/flask.txt", FLASK, "flask_backend", "flask_get"),
    Peer("b: gunicorn, get", "bench/requirements/gunicorn.txt", GUNICORN, "flask_backend", "flask_get"),
    Peer(
        "c: gunicorn, Session", "bench/requirements/gunicorn.txt", GUNICORN, "flask_backend", "flask_session"
    ),
    Peer("d: FastAPI, httpx", "bench/requirements/httpx.txt", UVICORN, "fastapi_backend", "fastapi_httpx"),
    Peer(
        "e: FastAPI, aiohttp", "bench/requirements/aiohttp.txt", UVICORN, "fastapi_backend", "fastapi_aiohttp"
    ),
)


class Started(NamedTuple):
    """The ports of a peer that serves, and the process ids of its services."""

    port: int
    backend_port: int
    client: int
    backend: int


def start(services: ExitStack, runtime: Runtime, peer: Peer) -> Started:
    """Start a peer's two services."""
    python = install(runtime, ROOT / peer.requirements)
    backend_port, port = free_port(), free_port()
    address = f"http://127.0.0.1:{backend_port}"
    # BACKEND is the peers' setting, the others are this pair's.
    variables = {"BACKEND": address, "URL": address, "HOST": "127.0.0.1", "WORKERS": "1"}

    def serve(app: str, port: int) -> int:
        command = [python, *peer.command.format(app=app, port=port).split()]
        settings = variables | {"PORT": str(port)}
        service = running(runtime, f"{peer.name[0]}-{app}", command, peer.folder, settings)
        return wait_for(f"http://127.0.0.1:{port}/", services.enter_context(service)).pid()

    backend, client = serve(peer.backend, backend_port), serve(peer.client, port)
    return Started(port, backend_port, client, backend)


def start_nginx(services: ExitStack, runtime: Runtime, pair: Started) -> Started:
    """Start nginx in front of this pair's backend."""
    port = free_port()
    template = (PEERS_FOLDER / "nginx.conf").read_text()
    config = runtime.folder / "nginx.conf"
    config.write_text(template.format(port=port, backend=pair.backend_port, folder=runtime.folder))
    service = running(runtime, "nginx", ["nginx", "-c", str(config)], ROOT, {})
    nginx = wait_for(f"http://127.0.0.1:{port}/", services.enter_context(service)).pid()
    return pair._replace(port=port, client=nginx)
