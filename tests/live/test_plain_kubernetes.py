"""Deployments, Services and Ingresses by a real kubectl, real processes and the real gateway."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tidegate.testing.engine import SERVER, running_engine, wait_until
from tidegate.testing.kubectl import KUBECTL, Kubectl

SEEDS = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared") / (
    "seeds-manifests"
)
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with running_engine() as engine:
        yield Kubectl(engine)


def deployment(name: str, replicas: int = 1, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "python:3",
        "command": ["python", str(SERVER), "8080"],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "WHO", "value": name}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container]},
            },
            **spec,
        },
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    given = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": given}


def ask(kubectl: Kubectl, path: str, host: str | None = None, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection(*kubectl.engine.gateway, timeout=60)
    try:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request("GET", path, headers={**({"Host": host} if host else {}), **named})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def serve(kubectl: Kubectl, *names: str, replicas: int = 1) -> None:
    documents = [d for name in names for d in (deployment(name, replicas), service(name))]
    kubectl("apply", "-f", "-", given=documents)
    for name in names:
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")


def test_a_service_is_reached_by_its_names_and_by_path(kubectl):
    serve(kubectl, "web")
    for host in ("web.default", "web.default.svc.cluster.local", "web.default.svc:80"):
        assert ask(kubectl, "/env/WHO", host) == (200, "web")
    assert ask(kubectl, "/default/web/env/WHO") == (200, "web")
    assert "127.0.0.1:" in kubectl("get", "endpoints", "web", "--no-headers")
    assert "Endpoints:         127.0.0.1:" in kubectl("describe", "service", "web")


def test_a_service_that_nobody_serves_says_so_at_once(kubectl):
    kubectl("apply", "-f", "-", given=[service("nobody")])
    wait_until("its host", lambda: ask(kubectl, "/", "nobody.default")[0] == 503)
    assert (
        "no pod has the labels that Service default/nobody selects"
        in (ask(kubectl, "/", "nobody.default")[1])
    )


def test_a_load_balancer_has_the_gateways_address_and_further_ports_have_hosts(kubectl):
    ports = [
        {"name": "http", "port": 80, "targetPort": "http"},
        {"name": "more", "port": 9090, "targetPort": 8080},
    ]
    balanced = service("balanced", type="LoadBalancer", ports=ports)
    kubectl("apply", "-f", "-", given=[deployment("balanced"), balanced])
    kubectl("rollout", "status", "deployment/balanced", "--timeout=60s")
    wait_until("it leads there", lambda: ask(kubectl, "/env/WHO", "balanced.default")[0] == 200)
    assert ask(kubectl, "/env/WHO", "balanced.default:9090") == (200, "balanced")
    assert ask(kubectl, "/default/balanced:9090/env/WHO") == (200, "balanced")
    where = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    wait_until("its address", lambda: kubectl("get", "svc", "balanced", "-o", where))
    assert kubectl("get", "svc", "balanced", "-o", where) == kubectl(
        "get", "svc", "nginx-ingress-lb", "-n", "kube-system", "-o", where
    )


def test_requests_wait_for_a_pod_that_is_on_its_way(kubectl):
    """Recreate has a moment without any."""
    kubectl(
        "apply",
        "-f",
        "-",
        given=[deployment("swap", strategy={"type": "Recreate"}), service("swap")],
    )
    kubectl("rollout", "status", "deployment/swap", "--timeout=60s")
    with loaded(kubectl, "/env/START_S", "swap.default") as seen:
        kubectl("set", "env", "deployment/swap", "START_S=1")
        kubectl("rollout", "status", "deployment/swap", "--timeout=60s")
        wait_until("the new pod", lambda: ask(kubectl, "/env/START_S", "swap.default")[1] == "1")
    assert set(seen) == {200}


@contextmanager
def loaded(kubectl: Kubectl, path: str, host: str) -> Iterator[Counter[int]]:
    """Four clients ask all the while; what they were answered."""
    stop, seen = threading.Event(), Counter[int]()

    def load() -> None:
        while not stop.is_set():
            seen[ask(kubectl, path, host)[0]] += 1

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(load) for _ in range(4)]
        try:
            yield seen
        finally:
            stop.set()
        for client in clients:
            client.result()


def test_a_rollout_goes_forward_and_back(kubectl):
    kubectl("apply", "-f", "-", given=[deployment("roll", 2)])
    kubectl("rollout", "status", "deployment/roll", "--timeout=60s")
    kubectl("annotate", "deployment/roll", "kubernetes.io/change-cause=second")
    kubectl("set", "env", "deployment/roll", "A=1")
    assert "successfully rolled out" in (
        kubectl("rollout", "status", "deployment/roll", "--timeout=60s")
    )
    first, second = kubectl("rollout", "history", "deployment/roll").strip().splitlines()[-2:]
    assert (first.split()[0], second.split()) == ("1", ["2", "second"])
    assert "A:\t1" in kubectl("rollout", "history", "deployment/roll", "--revision=2")

    kubectl("rollout", "undo", "deployment/roll")
    kubectl("rollout", "status", "deployment/roll", "--timeout=60s")
    rows = kubectl("rollout", "history", "deployment/roll").strip().splitlines()[-2:]
    assert [row.split()[0] for row in rows] == ["2", "3"]  # the first is the third now
    assert len(kubectl("get", "rs", "-l", "app=roll", "--no-headers").splitlines()) == 2
    kubectl("rollout", "undo", "deployment/roll", "--to-revision=2")
    kubectl("rollout", "status", "deployment/roll", "--timeout=60s")
    assert "A:\t1" in kubectl("rollout", "history", "deployment/roll", "--revision=4")
    told = kubectl.said("rollout", "undo", "deployment/roll", "--to-revision=99")
    assert "unable to find specified revision 99" in told


def test_a_paused_rollout_waits_and_a_restart_replaces_every_pod(kubectl):
    kubectl("apply", "-f", "-", given=[deployment("calm", 2)])
    kubectl("rollout", "status", "deployment/calm", "--timeout=60s")
    before = set(kubectl("get", "pods", "-l", "app=calm", "-o", "name").split())
    kubectl("rollout", "pause", "deployment/calm")
    kubectl("set", "env", "deployment/calm", "A=1")
    kubectl("wait", "--for=condition=Progressing=Unknown", "deployment/calm", "--timeout=30s")
    assert set(kubectl("get", "pods", "-l", "app=calm", "-o", "name").split()) == before
    kubectl("rollout", "resume", "deployment/calm")
    kubectl("rollout", "status", "deployment/calm", "--timeout=60s")
    middle = set(kubectl("get", "pods", "-l", "app=calm", "-o", "name").split())
    kubectl("rollout", "restart", "deployment/calm")
    kubectl("rollout", "status", "deployment/calm", "--timeout=60s")
    wait_until(
        "only new pods",
        lambda: (
            not (
                (before | middle)
                & set(kubectl("get", "pods", "-l", "app=calm", "-o", "name").split())
            )
        ),
    )


def test_a_rollout_loses_no_request(kubectl):
    serve(kubectl, "steady", replicas=2)
    with loaded(kubectl, "/sleep/0.02", "steady.default") as seen:
        for n in range(3):
            kubectl("set", "env", "deployment/steady", f"N={n}")
            kubectl("rollout", "status", "deployment/steady", "--timeout=60s")
    assert set(seen) == {200}
    assert seen[200] > 50


def test_scaling_out_and_in_loses_no_request(kubectl):
    serve(kubectl, "wide")
    with loaded(kubectl, "/sleep/0.05", "wide.default") as seen:
        for count in (4, 1, 3, 1):
            kubectl("scale", "deployment/wide", f"--replicas={count}")
            kubectl("rollout", "status", "deployment/wide", "--timeout=60s")
    assert set(seen) == {200}


def test_a_control_plane_that_is_killed_in_mid_rollout_loses_no_request(kubectl):
    serve(kubectl, "killed", replicas=2)
    with loaded(kubectl, "/sleep/0.05", "killed.default") as seen:
        kubectl("set", "env", "deployment/killed", "X=1")
        os.kill(kubectl.engine.pid("control_plane"), signal.SIGKILL)
        status = ("rollout", "status", "deployment/killed", "--timeout=60s")
        wait_until("its end", lambda: "successfully" in kubectl.said(*status), within_s=60)
        wait_until(
            "only new pods",
            lambda: {ask(kubectl, "/env/X", "killed.default") for _ in range(8)} == {(200, "1")},
        )
    kubectl.engine.refresh()
    assert set(seen) == {200}


def test_a_canary_of_the_seed_takes_a_tenth_of_ten_thousand(kubectl):
    """Its document as it is: the main Ingress, and one with canary-weight 10."""
    document = seed("003_3322b409db5bb374/09-canary-ingress.filled.yaml")
    serve(kubectl, "inference-v1", "inference-v2")
    kubectl("apply", "-f", str(document))
    host = "inference.example.com"
    wait_until(
        "the canary", lambda: "v2" in {ask(kubectl, "/env/WHO", host)[1][-2:] for _ in range(10)}
    )
    seen: Counter[str] = Counter()
    with ThreadPoolExecutor(4) as pool:
        for some in pool.map(lambda _: _count(kubectl, host, 2500), range(4)):
            seen += some
    assert seen.total() == 10_000
    assert abs(seen["inference-v2"] - 1000) <= 100  # 1% of the requests
    assert seen["inference-v1"] == 10_000 - seen["inference-v2"]


def seed(name: str) -> Path:
    document = SEEDS / name
    if not document.exists():
        pytest.skip("the seeds' documents are not here")
    return document


def test_the_ingress_of_the_seed_leads_to_its_service(kubectl):
    document = seed("001_2bed208f5abc545e/08-bert-tfserving-ingress.from-prose.yaml")
    name = "bert-tfserving-202207181536-tensorflow-serving"
    ports = [{"name": "restful", "port": 8501, "targetPort": 8080}]
    kubectl("apply", "-f", "-", given=[deployment(name), service(name, ports=ports)])
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    kubectl("apply", "-f", str(document))
    wait_until(
        "it leads there", lambda: ask(kubectl, "/env/WHO", "test.example.com") == (200, name)
    )


def _count(kubectl: Kubectl, host: str, requests: int) -> Counter[str]:
    """Who answered so many requests on one connection."""
    seen: Counter[str] = Counter()
    connection = HTTPConnection(*kubectl.engine.gateway, timeout=60)
    for _ in range(requests):
        connection.request("GET", "/env/WHO", headers={"Host": host})
        seen[connection.getresponse().read().decode()] += 1
    connection.close()
    return seen


def ingress(name: str, to: str, host: str | None, path: str = "/", **canary: str) -> dict[str, Any]:
    annotations = {
        f"nginx.ingress.kubernetes.io/canary-{k.replace('_', '-')}": v for k, v in canary.items()
    }
    if canary:
        annotations["nginx.ingress.kubernetes.io/canary"] = "true"
    backend = {"service": {"name": to, "port": {"number": 80}}}
    entry = {"path": path, "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"rules": [{"host": host, "http": {"paths": [entry]}}]},
    }


def test_a_canary_by_header_and_cookie(kubectl):
    serve(kubectl, "stable", "next")
    host = "shop.example.com"
    new = ingress("next", "next", host, by_header="X-New", by_cookie="beta", weight="0")
    kubectl("apply", "-f", "-", given=[ingress("stable", "stable", host), new])
    wait_until("both", lambda: ask(kubectl, "/env/WHO", host, X_New="always") == (200, "next"))
    assert ask(kubectl, "/env/WHO", host) == (200, "stable")
    assert ask(kubectl, "/env/WHO", host, Cookie="a=1; beta=always") == (200, "next")
    assert ask(kubectl, "/env/WHO", host, X_New="never", Cookie="beta=always") == (200, "stable")
    assert ask(kubectl, "/env/WHO", host, X_New="maybe") == (200, "stable")
    row = kubectl("get", "ingress", "next", "--no-headers").split()
    address = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    front = kubectl("-n", "kube-system", "get", "svc", "nginx-ingress-lb", "-o", address)
    assert row[:4] == ["next", "<none>", host, front]


def test_a_canary_by_a_pattern_that_matches_anywhere_in_the_header(kubectl):
    serve(kubectl, "plain", "matched")
    host = "pattern.example.com"
    new = ingress("matched", "matched", host, by_header="X-Version", by_header_pattern="2[.]|rc$")
    kubectl("apply", "-f", "-", given=[ingress("plain", "plain", host), new])
    wait_until("both", lambda: ask(kubectl, "/env/WHO", host, X_Version="v2.1") == (200, "matched"))
    assert ask(kubectl, "/env/WHO", host, X_Version="v1.0-rc") == (200, "matched")
    assert ask(kubectl, "/env/WHO", host, X_Version="v21") == (200, "plain")
    assert ask(kubectl, "/env/WHO", host, X_Version="always") == (200, "plain")


def test_an_ingress_by_path_and_what_it_says_when_its_service_is_missing(kubectl):
    serve(kubectl, "one")
    host = "paths.example.com"
    documents = [ingress("one", "one", host, "/env"), ingress("gone", "gone", host, "/gone")]
    kubectl("apply", "-f", "-", given=documents)
    wait_until("its path", lambda: ask(kubectl, "/env/WHO", host) == (200, "one"))
    assert ask(kubectl, "/environment", host)[0] == 404
    status, said = ask(kubectl, "/gone/x", host)
    assert status == 503
    assert "Service default/gone, which Ingress default/gone names" in said
    assert "ServiceNotFound" in kubectl("describe", "ingress", "gone")


def test_an_ingress_without_a_host_takes_every_other_host(kubectl):
    serve(kubectl, "any")
    kubectl("apply", "-f", "-", given=[ingress("any", "any", None, "/env")])
    wait_until("any host", lambda: ask(kubectl, "/env/WHO", "who.knows") == (200, "any"))
    kubectl("delete", "ingress", "any")
    wait_until("it is gone", lambda: ask(kubectl, "/env/WHO", "who.knows")[0] == 404)


def test_documents_that_mean_something_else_here_are_warned_about_or_refused(kubectl):
    odd = ingress("odd", "one", "odd.example.com", weight="ten")
    odd["metadata"]["annotations"]["nginx.ingress.kubernetes.io/rewrite-target"] = "/"
    told = kubectl.said("apply", "-f", "-", given=[odd, service("np", type="NodePort")])
    assert 'canary-weight]: "ten" is no whole number from 0 on' in told
    assert "rewrite-target]: ignored on a canary" in told
    assert "no node port is opened on this machine" in told
    bad = ingress("bad", "one", "1.2.3.4")
    refused = kubectl.said("apply", "-f", "-", given=[bad])
    assert "must be a DNS name, not an IP address" in refused


def test_what_get_prints_as_a_list_can_be_applied_again(kubectl):
    kubectl("apply", "-f", "-", given=[service("again"), service("and-again")])
    printed = json.loads(kubectl("get", "service", "again", "and-again", "-o", "json"))
    assert printed["kind"] == "List"
    told = kubectl("apply", "-f", "-", given=[printed])
    assert {line.split()[0] for line in told.splitlines()} == {"service/again", "service/and-again"}


def test_documents_of_versions_that_are_gone_are_refused_in_kubernetes_words(kubectl):
    old = {**ingress("old", "one", "a.b"), "apiVersion": "extensions/v1beta1"}
    told = kubectl.said("apply", "-f", "-", given=[old])
    assert 'no matches for kind "Ingress" in version "extensions/v1beta1"' in told
    file = kubectl.engine.home / "old.json"
    file.write_text(json.dumps(old))
    found = kubectl.engine.cli("check", "-f", str(file), check=False)
    assert "networking.k8s.io/v1" in found
