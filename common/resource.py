"""What this process runs on, as OpenTelemetry's resource attributes name it."""

import re
import socket
from urllib.parse import unquote

# opentelemetry.io/docs/specs/otel/resource/sdk: names and percent-encoded values, as in W3C Baggage.
ATTRIBUTE = re.compile(r"\s*([A-Za-z0-9_.-]{1,100})\s*=\s*([!#-+\--:<-\[\]-~]{0,300})\s*")


def attributes_text(text: str) -> str:
    """Parse OTEL_RESOURCE_ATTRIBUTES."""
    resource_attributes(text)
    return text


def resource_attributes(text: str) -> dict[str, str]:
    """Return the attributes in OTEL_RESOURCE_ATTRIBUTES by name."""
    attributes = {}
    for each in filter(str.strip, text.split(",")):
        match = ATTRIBUTE.fullmatch(each)
        if not match:
            raise ValueError("name=value,name=value with percent-encoded values")
        attributes[match[1]] = unquote(match[2])
    return attributes


def pod_name(attributes: dict[str, str]) -> str:
    """Return the Pod's name, or the host's outside of Kubernetes."""
    return attributes.get("k8s.pod.name") or socket.gethostname()
