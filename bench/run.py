"""`make bench`: measure this pair beside its alternatives, all in one run, a few seconds each in turn.

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
from pathlib import Path
from typing import Any

from bench import report, slow
from bench.cpu import cpu_seconds, wait_until_idle
from bench.machine import describe
from bench.peer import KEYS, NGINX, PAIR, PEERS, Started, pair_at, start, start_nginx, traced_pair
from bench.rows import Row
from bench.services import ROOT, Runtime, has_docker, install, run_to_end

CONNECTIONS = (16, 256)


def wrk(port: int, connections: int, seconds: int) -> Row:
    """Keep connections to a port busy and return what wrk.lua prints."""
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
    command += ["--timeout=10s", f"--script={ROOT / 'bench/wrk.lua'}", f"http://127.0.0.1:{port}/"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    row: Row = json.loads(output.splitlines()[-1])
    return row


def closed_loop(peer: Started, connections: int, seconds: int) -> Row:
    """Measure throughput, latency and the CPU time that client and backend use."""
    services = peer.client, peer.backend
    before = cpu_seconds(*services)
    row = wrk(peer.port, connections, seconds)
    client, backend = (now - then for now, then in zip(cpu_seconds(*services), before, strict=True))
    wait_until_idle(*services)
    return row | {"connections": connections, "client cpu": client, "backend cpu": backend}


def open_loop(peer: Started, rate: float, seconds: int) -> Row:
    """Measure latency at a fixed rate of requests; see bench/open_loop.py."""
    command = [sys.executable, "-m", "bench.open_loop", "127.0.0.1", *map(str, (peer.port, rate, seconds))]
    row: Row = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    wait_until_idle(peer.client, peer.backend)
    return row


def measure(peers: dict[str, Started], rounds: int, seconds: int, rate: float) -> dict[str, list[Row]]:
    """Measure every peer in turn, in random order, in each round."""
    rows: dict[str, list[Row]] = {"closed loop": [], "open loop": []}
    for started in peers.values():
        closed_loop(started, 16, 1)  # warm up
    for number in range(rounds):
        for connections in CONNECTIONS:
            for name in random.sample(sorted(peers), len(peers)):
                row = closed_loop(peers[name], connections, seconds)
                rows["closed loop"].append({"peer": name, "round": number} | row)
        for name in random.sample(sorted(peers), len(peers)):
            # Twice as long: the 99.9th percentile needs requests.
            row = open_loop(peers[name], rate, 2 * seconds)
            rows["open loop"].append({"peer": name, "round": number} | row)
        print(f"round {number + 1} of {rounds} done", flush=True)
    return rows


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument(
        "--seconds", type=int, default=5, help="for each measurement of a round; twice for latency"
    )
    parser.add_argument("--rate", type=float, default=300, help="requests/s at which latency is measured")
    parser.add_argument("--slow-rounds", type=int, default=5, help="with a thousand calls in flight")
    parser.add_argument("--no-docker", action="store_true", help="use this machine's Python")
    parser.add_argument("--against", metavar="REV", help="also measure the pair at another git revision")
    parser.add_argument(
        "--peers",
        type=lambda text: {"pair", *text.split(",")},
        default=set(KEYS) - {"against"},
        help=f"what to compare with the pair, with commas: {', '.join(KEYS[1:])} (default: all)",
    )
    options = parser.parse_args()
    if unknown := options.peers - set(KEYS):
        parser.error(f"no peers: {', '.join(unknown)}")
    if "against" in options.peers and not options.against:
        parser.error("--peers against needs --against REV")
    return options


def main() -> None:
    options = parse_options()
    for tool in ("wrk", "nginx"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed; on Debian and Ubuntu: apt-get install {tool}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that every `finally` runs
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        runtime = Runtime(docker=not options.no_docker and has_docker(), folder=Path(folder))
        peers = [peer for peer in PEERS if peer.key in options.peers]
        if options.against:
            peers.append(pair_at(options.against, runtime.folder / "against"))
        python = install(runtime, PEERS[0].requirements)
        figures: dict[str, Any] = {"machine": describe(runtime, python)}
        starts = run_to_end(runtime, "starts", [python, "-m", "bench.starts"])
        seconds = [float(text) for text in starts.split()]
        figures["starts"] = {"backend": seconds[::2], "client": seconds[1::2]}
        figures["slow backend"] = [slow.measure(runtime, python) for _ in range(options.slow_rounds)]
        with ExitStack() as services:
            if "traced" in options.peers:
                peers.append(traced_pair(services, runtime))
            started = {}
            for peer in peers:
                print(f"starting {peer.name}", flush=True)
                started[peer.name] = start(services, runtime, peer)
            if "f" in options.peers:
                started[NGINX] = start_nginx(services, runtime, started[PAIR])
            figures |= measure(started, options.rounds, options.seconds, options.rate)
    report.write(figures, ROOT / "bench/results")


if __name__ == "__main__":
    main()
