"""A Deployment that burns CPU grows over its target and comes back, as a real kubectl shows it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tidegate.testing.engine import running_engine, wait_until
from tidegate.testing.kubectl import KUBECTL, Kubectl

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]

#: A quarter of a core while the file is there.
BURNER = """
import os, sys, time
while True:
    end = time.monotonic() + 0.01
    while os.path.exists(sys.argv[1]) and time.monotonic() < end:
        pass
    time.sleep(0.03)
"""


def settings() -> str:
    """Visits every five seconds, so that the test need not wait for fifteen."""
    meta = {"name": "config-hpa", "namespace": "knative-serving"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"sync-period": "5s"}}
    )


def burner(flag: Path) -> str:
    container = {
        "name": "main",
        "image": "python:3",
        "command": ["python", "-c", BURNER, str(flag)],
        "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": "default"}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    )


def autoscaler(name: str = "web", target: str = "web") -> str:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    return json.dumps(
        {
            "apiVersion": "autoscaling/v2beta2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
                "minReplicas": 1,
                "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": cpu}],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            },
        }
    )


def test_a_busy_deployment_grows_and_an_idle_one_comes_back(tmp_path):
    flag = tmp_path / "busy"
    flag.touch()
    with running_engine() as engine:
        kubectl = Kubectl(engine)
        kubectl("apply", "-f", "-", given=settings())
        kubectl("apply", "-f", "-", given=burner(flag))
        said = kubectl.said("apply", "-f", "-", given=autoscaler())
        assert "autoscaling/v2beta2 HorizontalPodAutoscaler is deprecated in v1.23+" in said

        def size() -> int:
            return int(kubectl.get("deployment", "web")["spec"]["replicas"])

        wait_until("it grows to the most", lambda: size() == 3, within_s=90)
        wait_until("the row shows it", lambda: " 3 " in kubectl("get", "hpa", "web"), within_s=30)
        assert "%/50%" in kubectl("get", "hpa", "web")
        flag.unlink()
        wait_until("it comes back", lambda: size() == 1, within_s=90)
        told = kubectl("describe", "hpa", "web")
        assert "cpu resource utilization (percentage of request) above target" in told
        assert "New size: 1; reason: All metrics below target" in told
        old = kubectl.get("horizontalpodautoscalers.v1.autoscaling", "web")
        assert old["spec"]["targetCPUUtilizationPercentage"] == 50


@contextmanager
def prometheus(values: dict[str, float]) -> Iterator[str]:
    """A server that answers queries from `values`; its URL."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (asked,) = parse_qs(urlsplit(self.path).query)["query"]
            value = {"metric": {}, "value": [time.time(), str(values[asked])]}
            data = {"resultType": "vector", "result": [value]}
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def page_server(folder: Path) -> str:
    """Pods whose page is a file."""
    container = {
        "name": "main",
        "image": "python:3",
        "command": ["python", "-m", "http.server", "8080", "--directory", str(folder)],
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": "default"}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    )


def test_a_prometheus_server_and_the_pods_own_pages_are_followed(tmp_path):
    page = tmp_path / "metrics"
    page.write_text("# TYPE queue_depth gauge\nqueue_depth 5\n")
    values = {'max(lag{topic="a"})': 30.0}
    with prometheus(values) as url, running_engine() as engine:
        kubectl = Kubectl(engine)
        rules = {"prometheus-url": url, "lag.external": "max(lag{<labels>})"}
        meta = {"name": "config-metrics", "namespace": "knative-serving"}
        both = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": rules}
        kubectl("apply", "-f", "-", given=settings())
        kubectl("apply", "-f", "-", given=json.dumps(both))
        kubectl("apply", "-f", "-", given=page_server(tmp_path))
        average = {"type": "AverageValue", "averageValue": 10}
        lag = {"metric": {"name": "lag", "selector": {"matchLabels": {"topic": "a"}}}}
        depth = {"metric": {"name": "queue_depth"}}
        document = json.loads(autoscaler())
        document["spec"]["metrics"] = [
            {"type": "External", "external": {**lag, "target": average}},
            {"type": "Pods", "pods": {**depth, "target": average}},
        ]
        kubectl("apply", "-f", "-", given=json.dumps(document))

        def row() -> str:
            return kubectl("get", "hpa", "web")

        def size() -> int:
            return int(kubectl.get("deployment", "web")["spec"]["replicas"])

        wait_until("the lag makes three", lambda: size() == 3, within_s=60)
        wait_until("both are shown", lambda: "10/10 (avg), 5/10" in row(), within_s=60)
        values['max(lag{topic="a"})'] = 0.0
        wait_until("the pages keep two", lambda: size() == 2, within_s=60)
        page.write_text("# TYPE queue_depth gauge\nqueue_depth 1\n")
        wait_until("and then one", lambda: size() == 1, within_s=60)


def test_what_is_wrong_is_told_where_people_look():
    with running_engine() as engine:
        kubectl = Kubectl(engine)
        kubectl("apply", "-f", "-", given=settings())
        kubectl("apply", "-f", "-", given=autoscaler("lost", "nobody"))
        wait_until(
            "the missing target is told",
            lambda: 'deployments.apps "nobody" not found' in kubectl("describe", "hpa", "lost"),
            within_s=60,
        )
        crossed = autoscaler("crossed").replace('"minReplicas": 1', '"minReplicas": 9')
        refused = kubectl.said("apply", "-f", "-", given=crossed)
        assert "spec.maxReplicas: Invalid value: 3: must be greater than or equal to" in refused
        path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/lag"
        unknown = kubectl.said("get", "--raw", path)
        assert "config-metrics" in unknown
