"""What `make run` starts beside the backend: the model to try out, where no endpoint is set."""

from collections.abc import Mapping

NAME = "model"
# Answers 200 once the model is loaded.
PROBE = "/health"


def is_needed(environ: Mapping[str, str]) -> bool:
    """Return whether the settings name no endpoint."""
    return not environ.get("LLM_BASE_URL")


def arguments(host: str, port: int) -> list[str]:
    """Return the arguments for Python that make it listen there."""
    return ["-m", "backend.logic.llm.model", "--host", host, "--port", str(port)]


def settings(host: str, port: int) -> dict[str, str]:
    """Return the backend's settings for it."""
    return {"LLM_BASE_URL": f"http://{host}:{port}/v1", "LLM_MODEL": "smollm2"}
