"""Everything people type into kubectl beside apply and get, on a real engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tidegate.testing.engine import RunningEngine, running_engine, wait_until
from tidegate.testing.kubectl import KUBECTL

pytestmark = pytest.mark.live


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: python:3
        command: [python, -m, http.server, "8080"]
        ports: [{containerPort: 8080}]
"""
KUSTOMIZATION = """
namePrefix: k-
resources: [web.yaml]
labels: [{pairs: {made-by: kustomize}}]
configMapGenerator: [{name: settings, literals: [a=b]}]
"""
HELLO = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec:
      containers: [{image: "python:3", command: [python, -m, http.server, "8080"]}]
"""


@dataclass
class Kubectl:
    engine: RunningEngine

    def __call__(
        self, *arguments: str, given: str | None = None, code: int = 0, **environ: str
    ) -> str:
        """What it prints, both streams; fails when it ends with another code."""
        home = self.engine.home
        done = subprocess.run(
            [str(KUBECTL), *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={
                **os.environ,
                "KUBECONFIG": str(home / "kubeconfig"),
                "KUBECACHEDIR": str(home / "kubectl-cache"),
                **environ,
            },
        )
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        return printed


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    if KUBECTL is None:
        pytest.skip("kubectl is not installed")
    with running_engine() as engine:
        yield Kubectl(engine)


@pytest.fixture
def web(kubectl: Kubectl) -> Iterator[None]:
    kubectl("apply", "-f", "-", given=WEB)
    yield
    kubectl("delete", "deployment", "web", "--ignore-not-found")
    kubectl("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=60s")


def test_a_kustomization_is_applied_compared_and_deleted(kubectl, tmp_path):
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "kustomization.yaml").write_text(KUSTOMIZATION)
    assert "deployment.apps/k-web created" in kubectl("apply", "-k", str(tmp_path))
    assert kubectl("diff", "-k", str(tmp_path)) == ""
    assert "deployment.apps/k-web unchanged" in kubectl("apply", "-k", str(tmp_path))
    (tmp_path / "web.yaml").write_text(WEB.replace("replicas: 1", "replicas: 2"))
    assert "+  replicas: 2" in kubectl("diff", "-k", str(tmp_path), code=1)
    kubectl("delete", "-k", str(tmp_path))


@pytest.mark.parametrize(
    ("what", "printed"),
    [
        (["namespace", "made"], "namespace/made created"),
        (["configmap", "made", "--from-literal=a=1"], "configmap/made created"),
        (["secret", "generic", "made", "--from-literal=a=1"], "secret/made created"),
        (["serviceaccount", "made"], "serviceaccount/made created"),
        (["quota", "made", "--hard=secrets=50"], "resourcequota/made created"),
        (["service", "clusterip", "made", "--tcp=80:8080"], "service/made created"),
        (["ingress", "made", "--class=nginx", "--rule=a.b/c=d:80"], "ingress.networking.k8s.io/made created"),
        (["deployment", "made", "--image=python:3", "--replicas=0"], "deployment.apps/made created"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_create_makes_objects_by_name_and_delete_takes_them_away(kubectl, what, printed):
    assert printed in kubectl("create", *what)
    kubectl("delete", what[0], "made")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (["token", "default"], "tidegate token create NAME --role view"),
        (["role", "r", "--verb=get", "--resource=pods"], "there are three roles here"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_can_not_be_created_names_the_way_out(kubectl, what, told):
    assert told in kubectl("create", *what, code=1)


def test_a_deployment_is_changed_in_every_way(kubectl, web):
    assert "updated" in kubectl("set", "image", "deploy/web", "main=python:3.11")
    assert "updated" in kubectl("set", "env", "deploy/web", "A=b")
    assert "updated" in kubectl("set", "resources", "deploy/web", "--limits=cpu=1")
    assert "labeled" in kubectl("label", "deploy/web", "x=old")
    assert "annotated" in kubectl("annotate", "deploy/web", "x=old")
    assert "edited" in kubectl("edit", "deploy/web", KUBE_EDITOR="sed -i 's/x: old/x: new/'")
    assert "autoscaled" in kubectl("autoscale", "deploy/web", "--max=3", "--cpu-percent=50")
    assert "web" in kubectl("get", "hpa", "-o", "name")
    kubectl("delete", "hpa", "web")
    kubectl("scale", "deploy/web", "--replicas=2")
    kubectl("wait", "deploy/web", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=60s")
    assert "exposed" in kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
    kubectl("delete", "service", "web")


def test_replace_takes_the_version_that_was_read_and_no_older_one(kubectl, tmp_path):
    kubectl("create", "configmap", "replaced", "--from-literal=a=1")
    read = tmp_path / "read.yaml"
    read.write_text(kubectl("get", "configmap", "replaced", "-o", "yaml").replace('"1"', '"2"'))
    assert "replaced" in kubectl("replace", "-f", str(read))
    assert "the object has been modified" in kubectl("replace", "-f", str(read), code=1)
    assert "replaced" in kubectl("replace", "--force", "-f", str(read))
    kubectl("delete", "configmap", "replaced")


def test_a_knative_service_is_replaced_as_it_was_read_or_by_force_as_on_a_cluster(
    kubectl, tmp_path
):
    document, read = tmp_path / "hello.yaml", tmp_path / "read.yaml"
    document.write_text(HELLO)
    kubectl("apply", "-f", str(document))
    read.write_text(kubectl("get", "ksvc", "hello", "-o", "yaml"))
    told = kubectl("replace", "-f", str(document), code=1)
    assert "annotation value is immutable: metadata.annotations.serving.knative.dev/creator" in told
    kubectl("replace", "-f", str(document), "--force")
    kubectl("delete", "ksvc", "hello")


def test_a_drained_node_has_no_pods_and_takes_them_again_when_it_may(kubectl, web):
    kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
    (node,) = kubectl("get", "nodes", "-o", "name").split()
    name = node.removeprefix("node/")
    assert "drained" in kubectl("drain", name, "--timeout=60s")
    assert "SchedulingDisabled" in kubectl("get", "nodes")
    assert "Running" not in kubectl("get", "pods", "-l", "app=web")
    kubectl("uncordon", name)
    kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
    kubectl("taint", "nodes", name, "a=b:NoSchedule")
    kubectl("taint", "nodes", name, "a:NoSchedule-")


def test_an_orphaned_replica_set_is_taken_over_by_the_next_deployment(kubectl, web):
    kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
    pods = kubectl("get", "pods", "-l", "app=web", "-o", "name")
    kubectl("delete", "deployment", "web", "--cascade=orphan")
    assert kubectl("get", "pods", "-l", "app=web", "-o", "name") == pods
    kubectl("apply", "-f", "-", given=WEB)
    kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
    assert kubectl("get", "pods", "-l", "app=web", "-o", "name") == pods
    kubectl("delete", "deployment", "web", "--cascade=foreground")
    assert kubectl("get", "rs,pods", "-l", "app=web", "-o", "name") == ""


def test_a_quota_is_kept_and_told(kubectl):
    kubectl("create", "namespace", "small")
    kubectl("create", "quota", "q", "-n", "small", "--hard=configmaps=1")
    kubectl("create", "configmap", "one", "-n", "small")
    told = kubectl("create", "configmap", "two", "-n", "small", code=1)
    assert (
        "exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1"
        in told
    )
    wait_until("its use", lambda: "configmaps: 1/1" in kubectl("get", "quota", "-n", "small"))
    kubectl("delete", "namespace", "small")


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["get", "configmaps", "-A", "--sort-by=.metadata.name"], "config-autoscaler"),
        (["get", "cm", "-A", "--chunk-size=1", "-o", "name"], "configmap/config-autoscaler"),
        (["get", "cm", "-n", "knative-serving", "-o", "custom-columns=N:.metadata.name"], "config-autoscaler"),
        (["get", "cm", "-A", "-o", "go-template={{len .items}}"], ""),
        (["get", "--raw", "/healthz"], "ok"),
        (["explain", "ksvc.spec", "--recursive"], "containerConcurrency"),
        (["explain", "quota.spec.hard"], "hard"),
        (["api-versions"], "serving.knative.dev/v1"),
        (["api-resources", "--categories=all"], "deployments"),
        (["auth", "can-i", "create", "pods"], "yes"),
        (["auth", "whoami"], "admin"),
        (["cluster-info"], "is running at"),
        (["describe", "node"], "Capacity"),
        (["events", "-A"], ""),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)  # fmt: skip
def test_reading_works_in_all_its_forms(kubectl, arguments, printed):
    kubectl(
        "apply", "-f", "-",
        given="---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: config-autoscaler, namespace: knative-serving}, data: {}}",
    )  # fmt: skip
    assert printed in kubectl(*arguments)


def test_nobody_is_answered_for_somebody_else(kubectl):
    told = kubectl("get", "pods", "--as=bob", code=1)
    assert 'User "admin" cannot impersonate resource "users"' in told
