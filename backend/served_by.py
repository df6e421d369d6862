"""Which Pod has answered, for the client's log."""

from flask import Flask, Response

from backend.settings import Settings
from common.resource import pod_name, resource_attributes


def name_pod(app: Flask, settings: Settings) -> None:
    """Name this Pod, and its node if it is known, in the header X-Served-By of each answer."""
    attributes = resource_attributes(settings.otel_resource_attributes)
    value = f"{pod_name(attributes)} {attributes.get('k8s.node.name', '')}".strip()

    @app.after_request
    def add_header(response: Response) -> Response:
        response.headers["X-Served-By"] = value
        return response
