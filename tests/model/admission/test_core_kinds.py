"""ConfigMaps, Secrets, Services, Namespaces, Nodes, Events."""

from __future__ import annotations

import base64

import pytest
from msgspec.structs import replace

from tidegate.model.wire import to_raw


def document(kind, name="it", namespace="default", **fields):
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **fields}


def service(*ports, **spec):
    return document("Service", spec={"ports": list(ports), **spec})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- ConfigMap and Secret


def test_plain_text_in_a_secret_is_encoded_and_wins(admit):
    made = admit(document("Secret", data={"a": encoded("old")}, stringData={"a": "x", "b": "é"}))
    assert to_raw(made) == {
        "metadata": {"name": "it", "namespace": "default"},
        "data": {"a": encoded("x"), "b": encoded("é")},
        "type": "Opaque",
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(
            document("ConfigMap", data={"a b": ""}),
            'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric '
            "characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex "
            "used for validation is '[-._a-zA-Z0-9]+')",
            id="a key with a space",
        ),
        pytest.param(
            document("ConfigMap", data={"a": ""}, binaryData={"a": ""}),
            'data[a]: Invalid value: "a": duplicate of key present in binaryData',
            id="a key twice",
        ),
        pytest.param(
            document("ConfigMap", data={"a": "x" * (1024 * 1024 + 1)}),
            "[]: Too long: may not be more than 1048576 bytes",
            id="over a mebibyte",
        ),
        pytest.param(
            document("Secret", data={"a": "!"}),
            "data[a]: Invalid value: <value omitted>: illegal base64 data",
            id="not base64",
        ),
        pytest.param(
            document("Secret", type="kubernetes.io/dockercfg"),
            "data[.dockercfg]: Required value",
            id="a typed secret without its key",
        ),
    ],
)
def test_data_that_breaks_a_rule_is_refused(refusal, given, problem):
    assert refusal(given) == [problem]


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_immutable_stays(admit, refusal, kind):
    old = admit(document(kind, data={"a": "YQ=="}, immutable=True))
    fixed = "Forbidden: field is immutable when `immutable` is set"
    assert refusal(replace(old, data={"a": "Yg=="}), old) == [f"data: {fixed}"]
    assert refusal(replace(old, immutable=None), old) == [f"immutable: {fixed}"]
    assert refusal(old, old) is None


def test_a_secret_keeps_its_type(admit, refusal):
    old = admit(document("Secret"))
    assert refusal(document("Secret", type="custom"), old) == [
        'type: Invalid value: "custom": field is immutable'
    ]


# --- Service


def test_a_services_port_leads_to_the_same_port_unless_told_otherwise(admit):
    made = admit(service({"name": "a", "port": 80}, {"name": "b", "port": 81, "targetPort": "web"}))
    assert [(p.protocol, p.target_port) for p in made.spec.ports] == [("TCP", 80), ("TCP", "web")]
    assert (made.spec.type, made.spec.session_affinity) == ("ClusterIP", "None")


def test_a_headless_service_needs_no_ports(admit):
    assert admit(service(clusterIP="None")).spec.cluster_ips == ("None",)


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        pytest.param(service(), ["spec.ports: Required value"], id="no ports"),
        pytest.param(
            service({"port": 80}, {"port": 81}),
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
            id="several ports without names",
        ),
        pytest.param(
            service({"port": 0}),
            [
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[0].targetPort: Invalid value: 0: "
                "must be between 1 and 65535, inclusive",
            ],
            id="port 0",
        ),
        pytest.param(
            service({"name": "a", "port": 80}, {"name": "b", "port": 80}),
            ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
            id="a port twice",
        ),
        pytest.param(
            service({"port": 80, "nodePort": 30080}),
            [
                "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
            ],
            id="a node port of a cluster service",
        ),
        pytest.param(
            service({"port": 80}, type="Nothing"),
            [
                'spec.type: Unsupported value: "Nothing": supported values: '
                '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
            ],
            id="an unknown type",
        ),
        pytest.param(
            service(type="ExternalName"),
            ["spec.externalName: Required value"],
            id="no external name",
        ),
    ],
)
def test_a_service_that_breaks_a_rule_is_refused(refusal, given, problems):
    assert refusal(given) == problems


# --- Namespace, Node, Event


def test_a_namespace_is_active_and_carries_its_name_as_a_label(admit):
    made = admit(document("Namespace", "team", namespace=None))
    assert made.status.phase == "Active"
    assert made.metadata.labels == {"kubernetes.io/metadata.name": "team"}


def test_a_namespaces_name_has_no_dots(refusal):
    (problem,) = refusal(document("Namespace", "a.b", namespace=None))
    assert problem.startswith('metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label')


def test_a_nodes_taint_has_a_known_effect(refusal):
    given = document("Node", namespace=None, spec={"taints": [{"key": "gpu", "effect": "NoEntry"}]})
    assert refusal(given) == [
        'spec.taints[0].effect: Unsupported value: "NoEntry": supported values: '
        '"NoSchedule", "PreferNoSchedule", "NoExecute"'
    ]


def test_an_event_lives_in_the_namespace_of_what_it_is_about(refusal):
    about = {"kind": "Pod", "name": "web", "namespace": "other"}
    assert refusal(document("Event", involvedObject=about)) == [
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace'
    ]
