"""Tools that run in the cluster beside the pair: a Prometheus, a Jaeger."""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, kubectl, port_forward, run, until


def load_image(image: str) -> None:
    """Put an image of this machine on the cluster's nodes; skip the test if there is none, but in CI."""
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no image {image} on this machine")
    run("kind", "load", "docker-image", image, "--name", "api-network")


@contextmanager
def tool(
    cluster: Cluster, namespace: str, label: dict[str, str], manifest: list[dict[str, Any]], port: int
) -> Iterator[str]:
    """Run a manifest with a Pod `tool` in a namespace of its own; yield the URL of a port of it."""
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": label}}]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects, *manifest]})
    try:
        subprocess.run(
            ["kubectl", "--context", "kind-api-network", "apply", "-f", "-"],
            input=text,
            text=True,
            check=True,
        )
        kubectl("wait", "--namespace", namespace, "--for=condition=Ready", "pod/tool", "--timeout=120s")
        with port_forward("pod/tool", port, namespace) as url:
            yield url
    finally:
        cluster.core.delete_namespace(namespace)
        until(lambda: not exists(cluster, namespace), f"gone: {namespace}")


def exists(cluster: Cluster, namespace: str) -> bool:
    return namespace in {each.metadata.name for each in cluster.core.list_namespace().items}


def pod(image: str, ready: dict[str, Any], *arguments: str, **fields: Any) -> dict[str, Any]:
    """Return the Pod `tool`, on the control plane, the one node that no test drains.

    Args:
        image: its image.
        ready: the GET that tells that it is ready.
        arguments: the container's.
        fields: more of the Pod, and of its `container`.
    """
    probe = {"httpGet": ready, "periodSeconds": 1}
    container: dict[str, Any] = {"name": "tool", "image": image, "imagePullPolicy": "Never"}
    container |= {"args": arguments, "readinessProbe": probe}
    place = {
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
    }
    container |= fields.pop("container", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tool", "labels": {"app": "tool"}},
        "spec": place | fields | {"containers": [container]},
    }


def json_of(url: str, **query: str) -> Any:
    """Return the JSON that a GET answers."""
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.loads(answer.read())
