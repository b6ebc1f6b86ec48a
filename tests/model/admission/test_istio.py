"""VirtualServices, DestinationRules, Gateways: what Istio refuses, and what one gateway can't do, by path."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.columns import columns_of
from tidegate.model.kinds import BY_GVK
from tidegate.model.wire import read

AT = "spec.http[0]"


def document(kind: str, version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"networking.istio.io/{version}",
        "kind": kind,
        "metadata": {"name": "bert", "namespace": "default"},
        "spec": spec,
    }


def virtual(http: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    route = {"route": [{"destination": {"host": "bert"}}]}
    return document("VirtualService", **{"hosts": ["bert"], "http": [route | (http or {})], **spec})


def weights(*numbers: int) -> dict[str, Any]:
    return {"route": [{"destination": {"host": "bert"}, "weight": number} for number in numbers]}


def match(**more: Any) -> dict[str, Any]:
    return {"match": [more]}


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (virtual(hosts=[]), "virtual service must have at least one host"),
        (virtual(hosts=["a b"]), "not a host name"),
        (virtual(hosts=["x", "x"]), "duplicate hosts in virtual service"),
        (virtual(hosts=["*"]), "wildcard host * is not allowed for virtual services bound to the"),
        (
            document("VirtualService", hosts=["a"]),
            "http, tcp or tls must be provided in virtual service",
        ),
        (virtual(tcp=[{}]), "spec.tcp: Forbidden: the gateway routes HTTP"),
        (virtual({"route": []}), f"{AT}.route: Required value"),
        (virtual({"redirect": {"uri": "/"}}), f"{AT}.redirect: Forbidden"),
        (virtual({"fault": {}}), f"{AT}.fault: Forbidden"),
        (virtual({"mirror": {"host": "x"}}), f"{AT}.mirror: Forbidden"),
        (virtual(weights(0, 0)), "total destination weight = 0"),
        (virtual(weights(-1, 2)), f"{AT}.route[0].weight"),
        (virtual({"route": [{"destination": {}}]}), f"{AT}.route[0].destination.host: Required"),
        (virtual(match(queryParams={"a": {"exact": "b"}})), f"{AT}.match[0].queryParams: Forbid"),
        (virtual(match(authority={"exact": "b"})), f"{AT}.match[0].authority: Forbidden"),
        (virtual(match(uri={"regex": "("})), f"{AT}.match[0].uri.regex"),
        (virtual(match(headers={"a": {"exact": "1", "prefix": "2"}})), "give one of exact, prefix"),
        (virtual({"headers": {"response": {"add": {"a": "b"}}}}), f"{AT}.headers.response: Forbid"),
        (virtual({"headers": {"request": {"set": {"a": "b"}}}}), f"{AT}.headers.request.set: Forb"),
        (virtual({"rewrite": {"authority": "x"}}), f"{AT}.rewrite.authority: Forbidden"),
        (
            virtual({"rewrite": {"uri": "/"}, **match(uri={"regex": ".*"})}),
            f"{AT}.rewrite.uri: Forbidden",
        ),
        (document("DestinationRule"), "spec.host: Required"),
        (
            document("DestinationRule", host="x", subsets=[{"name": "a"}, {"name": "a"}]),
            "another subset has this name",
        ),
        (document("DestinationRule", host="x", subsets=[{"name": "A_"}]), "spec.subsets[0].name"),
        (document("Gateway"), "gateway must have at least one server"),
        (
            document("Gateway", servers=[{"port": {"number": 1, "protocol": "TCP"}}]),
            "spec.servers[0].hosts: Required",
        ),
    ],
)
def test_what_makes_no_sense_or_is_not_done_here_is_refused_by_path(refusal, made, problem):
    assert problem in "; ".join(refusal(made))


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_arena_s_documents_are_admitted_in_every_version(admit, version):
    spec = {
        "hosts": ["*"],
        "gateways": ["bert-gateway"],
        "http": [
            {
                "match": [{"uri": {"prefix": "/"}}],
                "rewrite": {"uri": "/"},
                "route": [{"destination": {"host": "bert", "subset": "subset-1"}, "weight": 80}],
            }
        ],
    }
    made = admit(document("VirtualService", version, **spec))
    assert made.spec.http[0].route[0].weight == 80
    servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    assert admit(document("Gateway", version, servers=servers)).spec.servers[0].hosts == ("*",)


def test_what_has_no_effect_is_noted_by_path():
    body = virtual({"timeout": "3s", "retries": {"attempts": 3}})["spec"]
    reading = read({"spec": body}, BY_GVK["networking.istio.io/v1", "VirtualService"].type)[1]
    assert [path for path, _ in reading.notes] == [f"{AT}.timeout", f"{AT}.retries"]


def test_lists_in_columns_are_printed_as_json_as_of_crds():
    kind = BY_GVK["networking.istio.io/v1", "VirtualService"]
    spec = {"hosts": ["a", "b"], "gateways": ["g"]}
    obj = read({"metadata": {"name": "bert"}, "spec": spec}, kind.type)[0]
    row = {column.name: column.cell(obj, 0.0) for column in columns_of(kind)}
    assert (row["Gateways"], row["Hosts"]) == ('["g"]', '["a","b"]')
