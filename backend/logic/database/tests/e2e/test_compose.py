"""LOGIC=database with compose."""

from tests.e2e.cluster import run
from tests.e2e.test_pair import get_json


def test_compose_serves_the_logic_that_it_is_told() -> None:
    try:
        run("env", "LOGIC=database", "docker", "compose", "up", "--detach", "--wait", timeout=600)
        status, content = get_json("http://127.0.0.1:8082/time_zones?limit=1")
        assert (status, len(content["rows"])) == (200, 1)
    finally:
        run("docker", "compose", "down")
