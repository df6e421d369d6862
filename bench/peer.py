"""The peers that are compared: this pair and what one would otherwise write."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

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


def start(services: ExitStack, runtime: Runtime, peer: Peer) -> tuple[int, int]:
    """Start a peer's two services and return the ports of backend and client."""
    python = install(runtime, ROOT / peer.requirements)
    backend, client = free_port(), free_port()
    address = f"http://127.0.0.1:{backend}"
    # BACKEND is the peers' setting, the others are this pair's.
    variables = {"BACKEND": address, "URL": address, "HOST": "127.0.0.1", "WORKERS": "1"}
    for port, app in ((backend, peer.backend), (client, peer.client)):
        command = [python, *peer.command.format(app=app, port=port).split()]
        name = f"{peer.name[0]}-{app}"
        service = services.enter_context(
            running(runtime, name, command, peer.folder, variables | {"PORT": str(port)})
        )
        wait_for(f"http://127.0.0.1:{port}/", service)
    return backend, client


def start_nginx(services: ExitStack, runtime: Runtime, backend: int) -> int:
    """Start nginx in front of a backend and return its port."""
    port = free_port()
    template = (PEERS_FOLDER / "nginx.conf").read_text()
    config = runtime.folder / "nginx.conf"
    config.write_text(template.format(port=port, backend=backend, folder=runtime.folder))
    service = services.enter_context(running(runtime, "nginx", ["nginx", "-c", str(config)], ROOT, {}))
    wait_for(f"http://127.0.0.1:{port}/", service)
    return port
