"""Rows as kubectl prints them."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.ages import age_of, human_age
from tidegate.model.columns import columns_of
from tidegate.model.conditions import timestamp
from tidegate.model.kinds import BY_GVK, KINDS
from tidegate.model.wire import read

NOW_S = 1_800_000_000.0


def row(document: dict[str, Any], *, wide: bool = False) -> dict[str, Any]:
    body = dict(document)
    kind = BY_GVK[body.pop("apiVersion"), body.pop("kind")]
    obj = read(body, kind.type)[0]
    return {c.name: c.cell(obj, NOW_S) for c in columns_of(kind) if wide or not c.priority}


def ago(seconds: float) -> str:
    return timestamp(NOW_S - seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (4, "4s"),
        (119, "119s"),
        (120, "2m"),
        (166, "2m46s"),
        (600, "10m"),
        (900, "15m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (11_220, "3h7m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86_400, "8d"),
        (729 * 86_400, "729d"),
        (2 * 365 * 86_400, "2y"),
        (3 * 365 * 86_400 + 86_400, "3y1d"),
        (9 * 365 * 86_400, "9y"),
    ],
)
def test_an_age_is_as_short_as_kubectls(seconds, text):
    assert human_age(seconds) == text


@pytest.mark.parametrize("when", [None, "", "yesterday"])
def test_an_age_that_nobody_knows_says_so(when):
    assert age_of(when, NOW_S) == "<unknown>"


# --- pods


def pod(status: dict[str, Any], *, init: int = 0, **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "creationTimestamp": ago(60), **meta},
        "spec": {
            "containers": [{"name": "app", "image": "a"}],
            "initContainers": [{"name": f"i{n}", "image": "a"} for n in range(init)],
        },
        "status": status,
    }


def container(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "app", "state": state, "ready": "running" in state, **fields}


RUNNING = container({"running": {}})


@pytest.mark.parametrize(
    ("document", "status", "ready"),
    [
        pytest.param(pod({}), "Unknown", "0/1", id="nothing known"),
        pytest.param(pod({"phase": "Pending"}), "Pending", "0/1", id="pending"),
        pytest.param(
            pod({"phase": "Running", "containerStatuses": [RUNNING]}), "Running", "1/1", id="runs"
        ),
        pytest.param(
            pod(
                {
                    "phase": "Running",
                    "containerStatuses": [container({"waiting": {"reason": "CrashLoopBackOff"}})],
                }
            ),
            "CrashLoopBackOff",
            "0/1",
            id="crashes",
        ),
        pytest.param(
            pod(
                {
                    "phase": "Succeeded",
                    "containerStatuses": [container({"terminated": {"reason": "Completed"}})],
                }
            ),
            "Completed",
            "0/1",
            id="done",
        ),
        pytest.param(
            pod(
                {"phase": "Failed", "containerStatuses": [container({"terminated": {"signal": 9}})]}
            ),
            "Signal:9",
            "0/1",
            id="killed",
        ),
        pytest.param(
            pod(
                {
                    "phase": "Failed",
                    "containerStatuses": [container({"terminated": {"exitCode": 3}})],
                }
            ),
            "ExitCode:3",
            "0/1",
            id="failed",
        ),
        pytest.param(pod({"phase": "Failed", "reason": "Evicted"}), "Evicted", "0/1", id="evicted"),
        pytest.param(
            pod({"phase": "Running", "containerStatuses": [RUNNING]}, deletionTimestamp=ago(1)),
            "Terminating",
            "1/1",
            id="going away",
        ),
        pytest.param(
            pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [
                        container({"terminated": {"exitCode": 0}}),
                        container({"running": {}}),
                    ],
                },
                init=2,
            ),
            "Init:1/2",
            "0/1",
            id="second init container",
        ),
        pytest.param(
            pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [container({"waiting": {"reason": "ErrImagePull"}})],
                },
                init=1,
            ),
            "Init:ErrImagePull",
            "0/1",
            id="init container without image",
        ),
        pytest.param(
            pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [container({"terminated": {"exitCode": 2}})],
                },
                init=1,
            ),
            "Init:ExitCode:2",
            "0/1",
            id="init container failed",
        ),
    ],
)
def test_a_pods_status_is_what_it_is_at(document, status, ready):
    cells = row(document)
    assert (cells["Status"], cells["Ready"]) == (status, ready)


def test_restarts_say_when_the_last_one_was():
    last = {"terminated": {"exitCode": 1, "finishedAt": ago(5)}}
    again = container({"running": {}}, restartCount=2, lastState=last)
    assert row(pod({"phase": "Running", "containerStatuses": [again]})) == {
        "Name": "web",
        "Ready": "1/1",
        "Status": "Running",
        "Restarts": "2 (5s ago)",
        "Age": "60s",
    }
    assert row(pod({"phase": "Running", "containerStatuses": [RUNNING]}))["Restarts"] == "0"


# --- other built-in kinds


def test_a_deployments_row():
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "creationTimestamp": ago(3600 * 5)},
        "spec": {
            "replicas": 3,
            "selector": {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["b", "a"]}],
            },
            "template": {
                "spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}
            },
        },
        "status": {"readyReplicas": 1, "updatedReplicas": 3, "availableReplicas": 1},
    }
    assert row(document, wide=True) == {
        "Name": "web",
        "Ready": "1/3",
        "Up-to-date": 3,
        "Available": 1,
        "Age": "5h",
        "Containers": "a,b",
        "Images": "x,y",
        "Selector": "app=web,tier in (a,b)",
    }


@pytest.mark.parametrize(
    ("spec", "cells"),
    [
        pytest.param(
            {"ports": [{"port": 80}], "selector": {"app": "web"}},
            ("ClusterIP", "<none>", "<none>", "80/TCP", "app=web"),
            id="plain",
        ),
        pytest.param(
            {
                "type": "LoadBalancer",
                "clusterIP": "10.0.0.1",
                "ports": [{"port": 443, "nodePort": 30443}, {"port": 53, "protocol": "UDP"}],
            },
            ("LoadBalancer", "10.0.0.1", "<pending>", "443:30443/TCP,53/UDP", "<none>"),
            id="waits for its balancer",
        ),
        pytest.param(
            {"type": "ExternalName", "externalName": "example.com"},
            ("ExternalName", "<none>", "example.com", "<none>", "<none>"),
            id="elsewhere",
        ),
    ],
)
def test_a_services_row(spec, cells):
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    found = row(document, wide=True)
    columns = ("Type", "Cluster-IP", "External-IP", "Port(s)", "Selector")
    assert tuple(found[name] for name in columns) == cells


def test_a_nodes_row():
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "here", "labels": {"node-role.kubernetes.io/gpu": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1", "osImage": "Debian"},
        },
    }
    assert row(document, wide=True) == {
        "Name": "here",
        "Status": "Ready,SchedulingDisabled",
        "Roles": "gpu",
        "Age": "<unknown>",
        "Version": "v1",
        "Internal-IP": "127.0.0.1",
        "External-IP": "<none>",
        "OS-Image": "Debian",
        "Kernel-Version": "<unknown>",
        "Container-Runtime": "<unknown>",
    }


def test_an_events_row():
    document = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{app}"},
        "reason": "Started",
        "message": "it runs \n",
        "type": "Normal",
        "count": 3,
        "source": {"component": "agent", "host": "here"},
        "firstTimestamp": ago(90),
        "lastTimestamp": ago(5),
    }
    assert row(document, wide=True) == {
        "Last Seen": "5s",
        "Type": "Normal",
        "Reason": "Started",
        "Object": "pod/web",
        "Subobject": "spec.containers{app}",
        "Source": "agent, here",
        "Message": "it runs",
        "First Seen": "90s",
        "Count": 3,
        "Name": "web.1",
    }


@pytest.mark.parametrize(
    ("kind", "fields", "cells"),
    [
        ("ConfigMap", {"data": {"a": ""}, "binaryData": {"b": ""}}, {"Data": 2}),
        ("Secret", {"data": {"a": ""}, "type": "x"}, {"Type": "x", "Data": 1}),
        ("Namespace", {"status": {"phase": "Terminating"}}, {"Status": "Terminating"}),
    ],
)
def test_small_kinds_rows(kind, fields, cells):
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "it"}, **fields}
    assert row(document) == {"Name": "it", **cells, "Age": "<unknown>"}


# --- Knative


def knative(kind: str, status: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": kind,
        "metadata": {"name": "it", **meta},
        "status": status,
    }


READY = [{"type": "Ready", "status": "Unknown", "reason": "Deploying"}]


def test_a_knative_services_row():
    status = {
        "url": "http://it.default.localhost",
        "latestCreatedRevisionName": "it-00002",
        "latestReadyRevisionName": "it-00001",
        "conditions": READY,
    }
    assert row(knative("Service", status)) == {
        "Name": "it",
        "URL": "http://it.default.localhost",
        "LatestCreated": "it-00002",
        "LatestReady": "it-00001",
        "Ready": "Unknown",
        "Reason": "Deploying",
    }


def test_a_revisions_row():
    labels = {
        "serving.knative.dev/configuration": "it",
        "serving.knative.dev/configurationGeneration": "2",
    }
    status = {"actualReplicas": 0, "desiredReplicas": 3, "conditions": READY}
    assert row(knative("Revision", status, labels=labels)) == {
        "Name": "it",
        "Config Name": "it",
        "Generation": "2",
        "Ready": "Unknown",
        "Reason": "Deploying",
        "Actual Replicas": 0,
        "Desired Replicas": 3,
    }


@pytest.mark.parametrize("kind", ["Service", "Configuration", "Revision", "Route"])
def test_what_is_not_known_yet_stays_empty(kind):
    cells = row(knative(kind))
    assert cells.pop("Name") == "it"
    assert set(cells.values()) == {""}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource)
def test_every_kind_prints_an_empty_object(kind):
    for column in columns_of(kind):
        cell = column.cell(kind.type(), NOW_S)
        expected = {"string": str, "integer": int | str}[column.type]
        assert isinstance(cell, expected), column.name


def test_an_ingresss_row():
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "creationTimestamp": ago(60)},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": host} for host in ("a.b", "c.d", "e.f", "g.h")],
            "tls": [{}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}},
    }
    assert row(document) == {
        "Name": "shop",
        "Class": "nginx",
        "Hosts": "a.b,c.d,e.f + 1 more...",
        "Address": "127.0.0.1",
        "Ports": "80, 443",
        "Age": "60s",
    }


def test_rows_of_endpoints_and_slices():
    addresses = [{"ip": "127.0.0.1"}, {"ip": "127.0.0.2"}]
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "web"},
        "subsets": [{"addresses": addresses, "ports": [{"port": 80}]}],
    }
    assert row(endpoints)["Endpoints"] == "127.0.0.1:80,127.0.0.2:80"
    assert row({**endpoints, "subsets": []})["Endpoints"] == "<none>"
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-x"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"]}],
        "ports": [{"port": 20001}],
    }
    cells = row(piece)
    assert (cells["AddressType"], cells["Ports"], cells["Endpoints"]) == (
        "IPv4",
        "20001",
        "127.0.0.1",
    )
