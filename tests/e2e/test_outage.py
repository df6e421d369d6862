"""A backend that is away or hangs: clear answers in bounded time, and a quick recovery."""

import time

import pytest

from tests.e2e import measurements
from tests.e2e.cluster import Cluster, port_forward, until
from tests.e2e.polling import get, polling

# A busy machine may add this much to a deadline (seconds).
MARGIN = 0.5


def test_without_a_backend_every_answer_is_a_502_within_3_s_until_it_is_back(cluster: Cluster) -> None:
    with port_forward("service/client", 8082) as url, polling(url) as answers:
        until(lambda: answers, "answered")
        cluster.scale("backend", 0)
        until(lambda: not cluster.settled("backend") or not cluster.pods("backend"), "away: the backend")
        until(lambda: answers[-1].status == 502, "a 502")
        down = time.monotonic()
        until(lambda: time.monotonic() > down + 5, "five seconds of outage", 10)
        cluster.scale("backend", 2)
        until(lambda: ready(cluster), "ready: the first backend Pod", pause=0.05)
        up = time.monotonic()
        until(lambda: answers[-1].status == 200 and answers[-1].sent_at > down, "back", 30, pause=0.02)
        back = time.monotonic() - up
        cluster.settle()
    refused = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in answers} == {200, 502}
    error = {"status_code": 502, "exc": "backend unreachable", "source": "client"}
    assert all(answer.content == error | {"trace_id": answer.content["trace_id"]} for answer in refused)
    slowest = max(answer.seconds for answer in refused)
    measurements.notes["backend scaled to 0"] = (
        f"{len(refused)} answers of 502, the slowest after {slowest:.2f} s; "
        f"back {back:.2f} s after the first Pod is ready"
    )
    assert slowest < 3 + MARGIN
    assert back < 5
    # Nothing fails once it is back.
    assert all(answer.status == 200 for answer in answers if answer.sent_at > up + back + 3)


def ready(cluster: Cluster) -> bool:
    statuses = [status for pod in cluster.pods("backend") for status in pod.status.container_statuses or []]
    return any(status.ready for status in statuses)


@pytest.mark.full
def test_a_hanging_backend_pod_holds_up_no_other_call(cluster: Cluster) -> None:
    limit = 5
    with cluster.changed("client", ANSWER_TIMEOUT=str(limit)):
        victim = cluster.pods("backend")[0].metadata.name
        with port_forward("service/client", 8082) as url, polling(url) as answers:
            until(lambda: len(answers) > 20, "answered")
            # The worker stops, its socket goes on accepting: the hardest kind of hang.
            cluster.execute(victim, "sh", "-c", "kill -STOP $(cat /proc/1/task/1/children)")
            until(lambda: any(answer.status == 504 for answer in answers), "a 504", 30)
            healthy = [get(f"{url}/healthz").seconds for _ in range(20)]
            until(lambda: sum(answer.status == 504 for answer in answers) >= 3, "several 504", 60)
        cluster.core.delete_namespaced_pod(victim, "api-network", grace_period_seconds=0)
    slow = [answer for answer in answers if answer.status == 504]
    fast = [answer for answer in answers if answer.status == 200]
    assert len(slow) + len(fast) == len(answers), {answer.status for answer in answers}
    measurements.notes["one of two backend Pods hangs"] = (
        f"{len(fast)} answers of 200, the slowest after {max(a.seconds for a in fast):.2f} s; "
        f"{len(slow)} of 504, after {min(a.seconds for a in slow):.2f} to "
        f"{max(a.seconds for a in slow):.2f} s with a limit of {limit} s"
    )
    assert max(answer.seconds for answer in fast) < 1 + MARGIN
    assert all(limit - MARGIN < answer.seconds < limit + MARGIN for answer in slow)
    assert sorted(healthy)[-2] < 0.1 + MARGIN
