"""LOGIC=llm with compose and the model to try things out with."""

from tests.e2e.cluster import run
from tests.e2e.test_pair import get_json

COMPOSE = ("docker", "compose", "-f", "compose.yaml", "-f", "backend/logic/llm/compose.tryout.yaml")


def test_compose_brings_a_model_along() -> None:
    try:
        run(*COMPOSE, "up", "--detach", "--wait", timeout=900)
        status, content = get_json("http://127.0.0.1:8082/?prompt=Say%20hello.")
        assert (status, content["model"]) == (200, "smollm2")
    finally:
        run(*COMPOSE, "down")
