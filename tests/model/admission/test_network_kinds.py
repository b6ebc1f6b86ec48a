"""Ingresses, their classes, Endpoints and slices; what of Services and Ingresses has no effect here."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.admission import warnings_of
from tidegate.model.kinds import BY_GVK
from tidegate.model.wire import read


def ingress(**spec: Any) -> dict[str, Any]:
    meta = {"name": "shop", "namespace": "default"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta,
        "spec": spec,
    }


def rule(host: str | None = "a.example.com", **path: Any) -> dict[str, Any]:
    entry = {"path": "/", "pathType": "Prefix", "backend": backend(), **path}
    return {"host": host, "http": {"paths": [entry]}}


def backend(**service: Any) -> dict[str, Any]:
    return {"service": {"name": "v1", "port": {"number": 80}, **service}}


AT = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "either `defaultBackend` or `rules` must be specified"),
        ({"rules": [rule("1.2.3.4")]}, "must be a DNS name, not an IP address"),
        ({"rules": [rule("UPPER")]}, "a lowercase RFC 1123 subdomain must consist of"),
        ({"rules": [rule("a.*.com")]}, "a wildcard DNS-1123 subdomain must start with '*.'"),
        ({"rules": [{"host": "a.b", "http": {"paths": []}}]}, "spec.rules[0].http.paths: Required"),
        ({"rules": [rule(pathType=None)]}, f"{AT}.pathType: Required value: pathType must be"),
        (
            {"rules": [rule(pathType="Regex")]},
            'supported values: "Exact", "ImplementationSpecific"',
        ),
        ({"rules": [rule(path="x")]}, f'{AT}.path: Invalid value: "x": must be an absolute path'),
        ({"rules": [rule(path="/a//b")]}, "must not contain '//'"),
        ({"rules": [rule(path="/a/..")]}, "cannot end with '/..'"),
        ({"rules": [rule(backend={})]}, f"{AT}.backend: Required value"),
        ({"rules": [rule(backend=backend(name=""))]}, f"{AT}.backend.service.name: Required value"),
        ({"rules": [rule(backend=backend(port={}))]}, "port name or number is required"),
        (
            {"rules": [rule(backend=backend(port={"name": "a", "number": 1}))]},
            "cannot set both port name & port number",
        ),
        (
            {"rules": [rule(backend={"resource": {"kind": "Bucket", "name": "b"}})]},
            f"{AT}.backend.resource: Forbidden: no other kind serves requests on this machine",
        ),
        ({"rules": [rule()], "ingressClassName": "Bad_Class"}, "spec.ingressClassName: Invalid"),
    ],
)
def test_what_an_ingress_may_not_say(refusal, spec, problem):
    assert problem in "; ".join(refusal(ingress(**spec)))


@pytest.mark.parametrize(
    "spec",
    [
        {"defaultBackend": backend()},
        {"rules": [{"host": "a.b"}]},
        {"rules": [rule(None), rule("*.example.com")]},
        {"rules": [rule(path="", pathType="ImplementationSpecific")]},
        {"rules": [rule(backend=backend(port={"name": "http"}))], "ingressClassName": "nginx"},
    ],
)
def test_what_an_ingress_may_say(admit, spec):
    assert warnings_of(admit(ingress(**spec))) == ()


def test_a_class_is_named_once(refusal):
    document = ingress(rules=[rule()], ingressClassName="nginx")
    document["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "nginx"}
    assert "can not be set when the class field is also set" in str(refusal(document))


def test_a_classs_controller_is_a_path_and_stays(admit, refusal):
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }
    made = admit(document)
    changed = {**document, "spec": {"controller": "example.com/other"}}
    assert "field is immutable" in str(refusal(changed, made))
    assert "domain-prefixed path" in str(refusal({**document, "spec": {"controller": "nginx"}}))


@pytest.mark.parametrize(
    ("kind", "group", "fields", "problem"),
    [
        ("Endpoints", "v1", {"subsets": [{"ports": [{"port": 1}]}]}, "must specify `addresses`"),
        (
            "Endpoints",
            "v1",
            {"subsets": [{"addresses": [{"ip": "web"}], "ports": [{"port": 0}]}]},
            "must be a valid IP address",
        ),
        ("EndpointSlice", "discovery.k8s.io/v1", {}, "addressType: Required value"),
        (
            "EndpointSlice",
            "discovery.k8s.io/v1",
            {"addressType": "IPv4", "endpoints": [{"addresses": ["web"]}]},
            "endpoints[0].addresses[0]: Invalid value",
        ),
    ],
)
def test_places_are_addresses_and_ports(refusal, kind, group, fields, problem):
    meta = {"name": "web", "namespace": "default"}
    assert problem in str(refusal({"apiVersion": group, "kind": kind, "metadata": meta, **fields}))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"type": "ClusterIP"}, ()),
        ({"type": "NodePort"}, ("spec.type: no node port",)),
        ({"type": "ExternalName", "externalName": "a.b"}, ("spec.externalName: kept, but",)),
        ({"sessionAffinity": "ClientIP"}, ("spec.sessionAffinity: known",)),
        ({"externalIPs": ["1.2.3.4"]}, ("spec.externalIPs: known",)),
        ({"ports": [{"port": 53, "protocol": "UDP"}]}, ("spec.ports[0].protocol: kept",)),
        (
            {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
            ("spec.ports[0].nodePort: no node port",),
        ),
    ],
)
def test_what_of_a_service_has_no_effect_is_said(spec, told):
    obj = read({"spec": {"ports": [{"port": 80}], **spec}}, BY_GVK["v1", "Service"].type)[0]
    found = warnings_of(obj)
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


def test_encryption_that_an_ingress_asks_for_needs_no_word():
    spec = {"tls": [{"secretName": "s"}], "rules": [rule()]}
    obj = read({"spec": spec}, BY_GVK["networking.k8s.io/v1", "Ingress"].type)[0]
    assert warnings_of(obj) == ()
