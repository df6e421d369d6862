"""What kustomize renders, checked against the code."""

import re
from typing import Any

import pytest

from common.drain import FLAG
from common.resource import resource_attributes
from common.serving.stopping import PRE_STOP, grace_period
from tests.manifests.kustomize import OVERLAYS, container, environment, objects, rendered
from tests.manifests.services import SETTINGS, variables

# All others change the backend alone.
CHANGES_BOTH = {f"k8s/overlays/{name}" for name in ("autoscaling", "dev", "metrics", "tracing")}


@pytest.fixture(scope="module", params=OVERLAYS)
def deployments(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The two services; an overlay may bring along more."""
    return {name: rendered(request.param, "Deployment")[name] for name in SETTINGS}


def test_every_environment_variable_is_a_setting_with_an_allowed_value(deployments: dict[str, Any]) -> None:
    for name, deployment in deployments.items():
        env = environment(deployment)
        assert env.keys() <= variables(SETTINGS[name].from_environ(env))


@pytest.mark.parametrize("overlay", sorted(set(OVERLAYS) - CHANGES_BOTH))
def test_another_logic_leaves_the_client_as_it_is(overlay: str) -> None:
    for kind in ("Deployment", "Service", "NetworkPolicy"):
        assert rendered(overlay, kind)["client"] == rendered("k8s/base", kind)["client"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_the_namespace(overlay: str) -> None:
    for each in objects(overlay):
        name = each["metadata"]["name" if each["kind"] == "Namespace" else "namespace"]
        assert name == "api-network", each


def test_prometheus_may_reach_the_port_that_answers_it_and_is_told_of_it() -> None:
    [rule] = rendered("k8s/overlays/metrics", "NetworkPolicy")["metrics"]["spec"]["ingress"]
    assert rule == {
        "from": [{"namespaceSelector": {"matchLabels": {"metrics": "scrape"}}}],
        "ports": [{"port": "metrics"}],
    }
    for name, deployment in rendered("k8s/overlays/metrics", "Deployment").items():
        port = SETTINGS[name].from_environ({}).metrics_port
        assert {"name": "metrics", "containerPort": port} in container(deployment)["ports"]
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(port)


def test_both_services_may_reach_the_collector_that_they_send_traces_to() -> None:
    policy = rendered("k8s/overlays/tracing", "NetworkPolicy")["traces"]["spec"]
    assert policy["egress"][0] == {
        "to": [{"namespaceSelector": {"matchLabels": {"traces": "collect"}}}],
        "ports": [{"port": 4318}],
    }
    for name, deployment in rendered("k8s/overlays/tracing", "Deployment").items():
        assert name in policy["podSelector"]["matchExpressions"][0]["values"]
        assert environment(deployment)["OTEL_EXPORTER_OTLP_ENDPOINT"].endswith(":4318")


def test_tools_find_the_services_by_labels_that_select_nothing(deployments: dict[str, Any]) -> None:
    for name, deployment in deployments.items():
        labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "flask-pair"}
        template = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels.items() <= deployment["metadata"]["labels"].items()
        assert template == labels | {"app": name}
        assert deployment["spec"]["selector"] == {"matchLabels": {"app": name}}


def test_pods_tell_their_name_and_node() -> None:
    for deployment in rendered("k8s/base", "Deployment").values():
        fields = {
            each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"]
            for each in container(deployment)["env"]
            if "valueFrom" in each
        }
        text = environment(deployment)["OTEL_RESOURCE_ATTRIBUTES"]
        for name, field in fields.items():
            text = text.replace(f"$({name})", field)
        assert resource_attributes(text) == {
            "k8s.pod.name": "metadata.name",
            "k8s.node.name": "spec.nodeName",
            "k8s.namespace.name": "metadata.namespace",
        }


def test_a_broken_pod_can_be_evicted() -> None:
    for budget in rendered("k8s/base", "PodDisruptionBudget").values():
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_container_and_service_ports_are_the_ones_the_service_listens_on() -> None:
    for name, deployment in rendered("k8s/base", "Deployment").items():
        port = SETTINGS[name].from_environ({}).port
        [service] = rendered("k8s/base", "Service")[name]["spec"]["ports"]
        assert container(deployment)["ports"] == [{"name": "http", "containerPort": port}]
        assert service == {"name": "http", "port": port, "targetPort": "http"}


def test_a_stopping_pod_has_time_to_drain_and_to_answer() -> None:
    for name, deployment in rendered("k8s/base", "Deployment").items():
        command = container(deployment)["lifecycle"]["preStop"]["exec"]["command"][-1]
        flag, pause = re.fullmatch(r"touch (\S+) && sleep (\d+)", command).groups()  # type: ignore[union-attr]
        assert flag == "/tmp/" + FLAG.name
        assert int(pause) == PRE_STOP
        least = grace_period(SETTINGS[name].from_environ(environment(deployment)))
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= least
