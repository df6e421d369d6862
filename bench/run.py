"""`make bench`: this pair beside its alternatives, all in one run, a few seconds each in turn.

Writes table.md, figures.json and plot.svg to bench/results/.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import report, slow
from bench.machine import describe
from bench.services import ROOT, Place, free_port, has_docker, install, output, running, wait_for

HERE = ROOT / "bench"
CONNECTIONS = (16, 256)
FLASK = "-m flask --app {app} run --port {port}"
GUNICORN = "-m gunicorn --threads 4 --bind 127.0.0.1:{port} {app}:app"
UVICORN = "-m uvicorn --port {port} {app}:app"


@dataclass(frozen=True)
class Peer:
    """A client and the backend it calls, served alike."""

    name: str
    locked: str
    serve: str
    backend: str
    client: str
    folder: Path = HERE / "peers"


PEERS = (
    Peer("this pair", "requirements/client.txt", "-m {app}", "backend", "client", ROOT),
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


def start(services: ExitStack, place: Place, peer: Peer) -> tuple[int, int]:
    """Start a peer's two services; gives the ports of backend and client."""
    python = install(place, ROOT / peer.locked)
    backend, client = free_port(), free_port()
    address = f"http://127.0.0.1:{backend}"
    # BACKEND is the peers' setting, the others are this pair's.
    variables = {"BACKEND": address, "URL": address, "HOST": "127.0.0.1", "WORKERS": "1"}
    for port, app in ((backend, peer.backend), (client, peer.client)):
        command = [python, *peer.serve.format(app=app, port=port).split()]
        name = f"{peer.name[0]}-{app}"
        service = services.enter_context(
            running(place, name, command, peer.folder, variables | {"PORT": str(port)})
        )
        wait_for(f"http://127.0.0.1:{port}/", service)
    return backend, client


def start_nginx(services: ExitStack, place: Place, backend: int) -> int:
    """Start nginx in front of a backend; gives its port."""
    port = free_port()
    text = (HERE / "peers/nginx.conf").read_text()
    file = place.folder / "nginx.conf"
    file.write_text(text.format(port=port, backend=backend, folder=place.folder))
    service = services.enter_context(running(place, "nginx", ["nginx", "-c", str(file)], ROOT, {}))
    wait_for(f"http://127.0.0.1:{port}/", service)
    return port


def wrk(port: int, connections: int, seconds: int) -> dict[str, int]:
    """Put load on a port; see wrk.lua for what it gives."""
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
    command += ["--timeout=10s", f"--script={HERE / 'wrk.lua'}", f"http://127.0.0.1:{port}/"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures: dict[str, int] = json.loads(output.splitlines()[-1])
    return figures


def measure(place: Place, rounds: int, seconds: int) -> list[dict[str, Any]]:
    """Load every peer in turn, at each number of connections, in each round."""
    figures = []
    with ExitStack() as services:
        ports = {}
        for peer in PEERS:
            print(f"starting {peer.name}", flush=True)
            backend, ports[peer.name] = start(services, place, peer)
            if peer is PEERS[0]:
                ports["f: nginx"] = start_nginx(services, place, backend)
        for port in ports.values():
            wrk(port, 16, 1)  # warm
        for number in range(rounds):
            for connections in CONNECTIONS:
                for name in random.sample(sorted(ports), len(ports)):
                    measured = wrk(ports[name], connections, seconds)
                    figures.append({"peer": name, "round": number, "connections": connections} | measured)
            print(f"round {number + 1} of {rounds} done", flush=True)
    return figures


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=5, help="of load, for each peer and load of a round")
    parser.add_argument("--slow-rounds", type=int, default=5, help="of a thousand calls in flight")
    parser.add_argument("--no-docker", action="store_true", help="use this machine's Python")
    options = parser.parse_args()
    for tool in ("wrk", "nginx"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed; on Debian and Ubuntu: apt-get install {tool}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # through every `finally`
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = Place(docker=not options.no_docker and has_docker(), folder=Path(folder))
        python = install(place, ROOT / PEERS[0].locked)
        figures: dict[str, Any] = {"machine": describe(place, python)}
        seconds = [float(x) for x in output(place, "starts", [python, "-m", "bench.starts"]).split()]
        figures["starts"] = {"backend": seconds[::2], "client": seconds[1::2]}
        figures["slow backend"] = [slow.measure(place, python) for _ in range(options.slow_rounds)]
        figures["rounds"] = measure(place, options.rounds, options.seconds)
    report.write(figures, HERE / "results")


if __name__ == "__main__":
    main()
