"""The peers that are compared: this pair and what one would otherwise write."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from bench.services import ROOT, Runtime, free_port, install, running, wait_for

AGAINST = "this pair at"
PEERS_FOLDER = ROOT / "bench/peers"
LOCKED = ROOT / "bench/requirements"
PAIR = "this pair"
TRACED = "this pair, traced"
NGINX = "f: nginx"
FLASK = "-m flask --app {app} run --port {port}"
GUNICORN = "-m gunicorn --threads 4 --bind 127.0.0.1:{port} {app}:app"
UVICORN = "-m uvicorn --port {port} {app}:app"


@dataclass(frozen=True)
class Peer:
    """A client and its backend, both started with the same command."""

    key: str
    name: str
    requirements: Path
    command: str
    backend: str
    client: str
    folder: Path = PEERS_FOLDER
    variables: Mapping[str, str] = field(default_factory=dict)


def flask_pair(key: str, name: str, folder: Path) -> Peer:
    """Return the pair whose code and locked requirements are in a folder."""
    return Peer(key, name, folder / "requirements/client.txt", "-m {app}", "backend", "client", folder)


PEERS = (
    flask_pair("pair", PAIR, ROOT),
    Peer("a", "a: Flask's server, get", LOCKED / "flask.txt", FLASK, "flask_backend", "flask_get"),
    Peer("b", "b: gunicorn, get", LOCKED / "gunicorn.txt", GUNICORN, "flask_backend", "flask_get"),
    Peer("c", "c: gunicorn, Session", LOCKED / "gunicorn.txt", GUNICORN, "flask_backend", "flask_session"),
    Peer("d", "d: FastAPI, httpx", LOCKED / "httpx.txt", UVICORN, "fastapi_backend", "fastapi_httpx"),
    Peer("e", "e: FastAPI, aiohttp", LOCKED / "aiohttp.txt", UVICORN, "fastapi_backend", "fastapi_aiohttp"),
)
# f has no backend of its own; the pair that sends traces, and that at another revision, are made for a run.
KEYS = (*(peer.key for peer in PEERS), "f", "traced", "against")


def traced_pair(services: ExitStack, runtime: Runtime) -> Peer:
    """Start a collector; return this pair as it sends traces to it: of one request in ten, the default."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    collector = running(runtime, "collector", [sys.executable, "-m", "bench.collector", str(port)], ROOT, {})
    wait_for(url, services.enter_context(collector))
    return replace(
        flask_pair("traced", TRACED, ROOT),
        requirements=ROOT / "requirements/tracing.txt",
        variables={"OTEL_EXPORTER_OTLP_ENDPOINT": url},
    )


def pair_at(revision: str, folder: Path) -> Peer:
    """Return the pair at another git revision, whose files are put into a folder.

    Raises:
        SystemExit: there is no such revision.
    """
    git = ["git", "-C", str(ROOT)]
    parse = [
        *git,
        "rev-parse",
        "--verify",
        "--quiet",
        "--short",
        "--end-of-options",
        f"{revision}^{{commit}}",
    ]
    commit = subprocess.run(parse, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    if not commit:
        raise SystemExit(f"no commit {revision!r} in this repository")
    archive = subprocess.run([*git, "archive", commit], stdout=subprocess.PIPE, check=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=archive, check=True)
    return flask_pair("against", f"{AGAINST} {commit}", folder)


class Started(NamedTuple):
    """The ports of a peer that serves, and the process ids of its services."""

    port: int
    backend_port: int
    client: int
    backend: int


def start(services: ExitStack, runtime: Runtime, peer: Peer) -> Started:
    """Start a peer's two services."""
    python = install(runtime, peer.requirements)
    backend_port, port = free_port(), free_port()
    address = f"http://127.0.0.1:{backend_port}"
    # BACKEND is the peers' setting, the others are this pair's.
    variables = {"BACKEND": address, "URL": address, "HOST": "127.0.0.1", "WORKERS": "1"}
    variables |= peer.variables

    def serve(app: str, port: int) -> int:
        command = [python, *peer.command.format(app=app, port=port).split()]
        settings = variables | {"PORT": str(port), "METRICS_PORT": str(free_port())}
        service = running(runtime, f"{peer.key}-{app}", command, peer.folder, settings)
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
