"""What OTEL_RESOURCE_ATTRIBUTES may hold."""

import socket

import pytest

from common.resource import pod_name, resource_attributes


def test_attributes_are_percent_decoded() -> None:
    text = "k8s.pod.name=client-1, k8s.node.name = node%201,,empty=,a=b=c"

    assert resource_attributes(text) == {
        "k8s.pod.name": "client-1",
        "k8s.node.name": "node 1",
        "empty": "",
        "a": "b=c",
    }


@pytest.mark.parametrize("text", ["a", "=a", "a b=c", 'a="b"', "a=b;c=d", "a=b c"])
def test_what_is_no_attribute_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name=value"):
        resource_attributes(text)


def test_outside_of_kubernetes_the_pod_is_the_host() -> None:
    assert pod_name({}) == socket.gethostname()
    assert pod_name({"k8s.pod.name": "client-1"}) == "client-1"
