"""The kind cluster. Tests that use it import no application code: they test what is deployed."""

import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.stream import stream

CONTEXT = "kind-api-network"
NAMESPACE = "api-network"
SERVICES = ("backend", "client")
ROOT = Path(__file__).parents[2]


def run(*command: str, timeout: float = 300) -> str:
    """Run a command in the project's root and return its output, or fail with it."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        timeout=timeout,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def kubectl(*arguments: str, timeout: float = 300) -> str:
    """Run kubectl on this cluster and no other."""
    return run("kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, *arguments, timeout=timeout)


def skaffold_run(*arguments: str) -> None:
    """Deploy the pair as a user does."""
    run("skaffold", "run", *arguments, timeout=600)


def restart(*services: str) -> None:
    """Roll services out, all at once."""
    kubectl("rollout", "restart", *(f"deployment/{service}" for service in services))
    for service in services:
        kubectl("rollout", "status", f"deployment/{service}", "--timeout=300s", timeout=320)


def until(condition: Callable[[], Any], what: str, seconds: float = 120, pause: float = 0.2) -> Any:
    """Wait until the condition is true and return its value; fail when it takes longer."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)
    return value


class Cluster:
    """The API server behind one kubectl context."""

    def __init__(self) -> None:
        api = config.new_client_from_config(context=CONTEXT)  # type: ignore[no-untyped-call]
        # Any: in the API's types every field may be None, though those read here never are.
        self.core: Any = client.CoreV1Api(api)
        self.apps: Any = client.AppsV1Api(api)
        self.custom: Any = client.CustomObjectsApi(api)

    def pods(self, app: str) -> list[Any]:
        """Return the service's Pods that are not being deleted."""
        pods = self.core.list_namespaced_pod(NAMESPACE, label_selector=f"app={app}").items
        return [pod for pod in pods if not pod.metadata.deletion_timestamp]

    def pod_uids(self, app: str) -> set[str]:
        """Return what changes when a Pod is replaced."""
        return {pod.metadata.uid for pod in self.pods(app)}

    def settled(self, app: str) -> bool:
        """Return whether the service's Pods are all up to date and ready, and no old one is left."""
        deployment = self.apps.read_namespaced_deployment(app, NAMESPACE)
        wanted, status = deployment.spec.replicas, deployment.status
        everything = self.core.list_namespaced_pod(NAMESPACE, label_selector=f"app={app}").items
        return bool(
            status.observed_generation == deployment.metadata.generation
            and status.updated_replicas == status.ready_replicas == status.replicas == wanted
            and len(everything) == wanted
        )

    def settle(self, seconds: float = 240) -> None:
        """Wait until both services are settled."""
        for app in SERVICES:
            until(partial(self.settled, app), f"settled: {app}", seconds)

    def scale(self, app: str, replicas: int) -> None:
        """Set the number of a service's Pods."""
        self.apps.patch_namespaced_deployment_scale(app, NAMESPACE, {"spec": {"replicas": replicas}})

    @contextmanager
    def changed(self, app: str, **env: str) -> Iterator[None]:
        """Set environment variables while the block runs, and restore the deployed ones afterwards."""
        container = self.container(app)
        self.patch_container(app, env=[{"name": name, "value": value} for name, value in env.items()])
        try:
            self.settle()
            yield
        finally:
            deployed = {each.name: each.value for each in container.env or []}
            undone = [
                {"name": n, "value": deployed[n]} if n in deployed else {"name": n, "$patch": "delete"}
                for n in env
            ]
            self.patch_container(app, env=undone)

    def container(self, app: str) -> Any:
        """Return the specification of a service's only container."""
        [only] = self.apps.read_namespaced_deployment(app, NAMESPACE).spec.template.spec.containers
        return only

    def patch_container(self, app: str, **fields: Any) -> None:
        """Change fields of a service's container."""
        pod = {"spec": {"containers": [{"name": "app", **fields}]}}
        self.apps.patch_namespaced_deployment(app, NAMESPACE, {"spec": {"template": pod}})

    @contextmanager
    def drained(self, node: str) -> Iterator[None]:
        """Drain a node while the block runs; afterwards the services are on all nodes again."""
        try:
            kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
            assert not [pod for app in SERVICES for pod in self.pods(app) if pod.spec.node_name == node]
            yield
        finally:
            kubectl("uncordon", node)
            restart(*SERVICES)

    def requests_counted(self, app: str) -> dict[str, int]:
        """Return how many requests for `/` each of the service's Pods has counted in its metrics.

        Not in its log, of which the node keeps no more than 10 MiB.
        """
        counted = {}
        for pod in self.pods(app):
            metrics = self.read_url(pod.metadata.name, "http://127.0.0.1:9464/metrics")
            counts = re.findall(r'duration_seconds_count\{.*http_route="/".*\} (\S+)', metrics)
            counted[pod.metadata.name] = sum(int(float(count)) for count in counts)
        return counted

    def read_url(self, pod: str, url: str) -> str:
        """Return what a Pod of the pair reads from a URL."""
        script = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
        return self.execute(pod, "python", "-c", script)

    def execute(self, pod: str, *command: str, namespace: str = NAMESPACE) -> str:
        """Run a command in a Pod and return its output."""
        session = stream(
            self.core.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=list(command),
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,  # with it, the connection is left open
        )
        session.run_forever(timeout=60)
        output: str = session.read_all()
        session.sock.shutdown()  # close() leaves the socket open once the other side has closed
        return output


@contextmanager
def port_forward(resource: str, port: int, namespace: str = NAMESPACE) -> Iterator[str]:
    """Forward a port of a Service or Pod to this machine while the block runs; yield the base URL."""
    command = [
        "kubectl",
        "--context",
        CONTEXT,
        "--namespace",
        namespace,
        "port-forward",
        resource,
        f":{port}",
    ]
    # A file, since it prints a line per connection and would stop at a full pipe.
    with tempfile.NamedTemporaryFile() as log, subprocess.Popen(command, stdout=log) as process:
        try:
            # Forwarding from 127.0.0.1:40001 -> 8082
            found = until(lambda: re.search(r"127.0.0.1:\d+", Path(log.name).read_text()), "forwarding", 30)
            yield f"http://{found.group()}"
        finally:
            process.terminate()
