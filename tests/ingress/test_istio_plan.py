"""VirtualServices as routes: hosts of a Service by each of its ports, weights to subsets, and what is wrong."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tidegate.ingress.istio_plan import (
    Around,
    VirtualServicePlan,
    plan_virtual_service,
    sharing,
)
from tidegate.link.gateway import Check, Split
from tidegate.model.core import Service
from tidegate.model.istio import DestinationRule, Gateway, VirtualService
from tidegate.model.meta import Key
from tidegate.model.subsets import subsets_of
from tidegate.model.wire import read

BERT = Key("default", "bert")
GATEWAY = Key("default", "bert-gateway")


def virtual_service(
    *http: dict[str, Any], hosts: tuple[str, ...] = ("bert",), at: int = 0, **more: Any
) -> VirtualService:
    document = {
        "metadata": {
            "name": more.pop("name", "bert"),
            "namespace": more.pop("namespace", "default"),
            "creationTimestamp": f"2026-11-22T00:00:{at:02}Z",
        },
        "spec": {"hosts": list(hosts), "http": list(http), **more},
    }
    return read(document, VirtualService)[0]


def to(subset: str | None = None, host: str = "bert", **more: Any) -> dict[str, Any]:
    named: dict[str, Any] = {"host": host}
    if subset:
        named["subset"] = subset
    if "port" in more:
        named["port"] = {"number": more.pop("port")}
    return {"destination": named, **more}


def service(key: Key, *ports: tuple[str, int]) -> Service:
    spec = {"ports": [{"name": name, "port": number} for name, number in ports]}
    metadata = {"name": key.name, "namespace": key.namespace}
    return read({"metadata": metadata, "spec": spec}, Service)[0]


SERVICES = {
    BERT: service(BERT, ("grpc-serving", 8500), ("http-serving", 8501)),
    Key("default", "one"): service(Key("default", "one"), ("web", 9000)),
}
SUBSETS = {BERT: {"v1": {"version": "1"}, "v2": {"version": "2"}}}


def plan(one: VirtualService, *others: VirtualService, **more: Any) -> VirtualServicePlan:
    given: dict[str, Any] = {
        "service": SERVICES.get,
        "subsets": lambda key: SUBSETS.get(key, {}),
        "gateway": {GATEWAY: Gateway()}.get,
        "sharing": sharing(one, [one, *others]),
    }
    return plan_virtual_service(one, Around(**{**given, **more}))


def splits(found: VirtualServicePlan, index: int = 0) -> list[Split]:
    return [split for branch in found.routes[index].branches for split in branch.splits]


def troubles(found: VirtualServicePlan) -> list[tuple[str, str]]:
    return [(trouble.reason, trouble.message) for trouble in found.troubles]


def test_a_service_name_has_the_service_s_hosts_and_path_and_each_of_its_ports():
    found = plan(virtual_service({"route": [to("v1", weight=90), to("v2", weight=10)]}))
    plain, grpc, rest = found.routes
    assert plain.hosts == ("bert.default.svc.cluster.local", "bert.default.svc", "bert.default")
    assert (plain.path_prefix, grpc.path_prefix) == ("/default/bert", "/default/bert:8500")
    assert rest.hosts[-1] == "bert.default:8501"
    assert splits(found, 1) == [
        Split(revision="svc:default/bert:8500@v1", percent=90),
        Split(revision="svc:default/bert:8500@v2", percent=10),
    ]
    assert [split.revision for split in splits(found, 2)] == [
        "svc:default/bert:8501@v1",
        "svc:default/bert:8501@v2",
    ]
    assert found.troubles == ()


def test_where_nothing_says_which_of_several_ports_it_is_the_one_called_http():
    assert splits(plan(virtual_service({"route": [to("v1")]})))[0] == Split(
        revision="svc:default/bert:8501@v1", percent=1
    )


def test_a_port_that_is_named_or_the_only_one_is_taken():
    named = plan(virtual_service({"route": [to("v1", port=8500)]}))
    assert {split.revision for i in range(3) for split in splits(named, i)} == {
        "svc:default/bert:8500@v1"
    }
    only = plan(virtual_service({"route": [to(host="one")]}, hosts=("a.example",)))
    assert splits(only)[0].revision == "svc:default/one:9000"


def test_each_match_is_a_branch_of_its_own_with_all_of_its_conditions():
    found = plan(
        virtual_service(
            {
                "match": [
                    {"uri": {"prefix": "/v2"}, "headers": {"user": {"exact": "ann"}, "x": {}}},
                    {"method": {"regex": "P.*"}, "withoutHeaders": {"y": {"prefix": "1"}}},
                ],
                "rewrite": {"uri": "/v1"},
                "route": [to("v1", headers={"request": {"add": {"seen": "1"}}})],
            },
            hosts=("a.example",),
        )
    )
    first, second = found.routes[0].branches
    assert first.checks == (
        Check(on="path", how="prefix", value="/v2"),
        Check(on="header", name="user", value="ann"),
        Check(on="header", name="x", how="present"),
    )
    assert second.checks == (
        Check(on="method", how="regex", value="P.*"),
        Check(on="header", name="y", how="prefix", value="1", negated=True),
    )
    assert first.rewrite == "/v1"
    assert first.splits[0].headers == (("seen", "1"),)


def test_any_host_of_a_gateway_that_is_there_is_served_and_one_that_is_missing_serves_nothing():
    anywhere = virtual_service({"route": [to("v1")]}, hosts=("*",), gateways=["bert-gateway"])
    found = plan(anywhere).routes
    assert [(route.hosts, route.path_prefix) for route in found] == [
        (("",), None),
        ((), "/default/bert"),
        ((), "/default/bert:8500"),
        ((), "/default/bert:8501"),
    ]
    first = virtual_service(
        {"route": [to("v2")]}, hosts=("*",), gateways=["bert-gateway"], name="a"
    )
    second = plan(anywhere, first)
    assert [route.path_prefix for route in second.routes] == [r.path_prefix for r in found[1:]]
    assert troubles(second) == [
        (
            "HostTaken",
            "requests for host * that match nothing else go to VirtualService default/a, which is older",
        )
    ]
    missing = plan(anywhere, gateway=lambda key: None)
    assert missing.routes == ()
    assert troubles(missing) == [("GatewayNotFound", "Gateway default/bert-gateway does not exist")]


def test_the_mesh_serves_although_a_gateway_is_missing_and_the_missing_one_is_told():
    found = plan(virtual_service({"route": [to("v1")]}, gateways=["nope", "mesh"]))
    assert len(found.routes) == 3
    assert [reason for reason, _ in troubles(found)] == ["GatewayNotFound"]


def test_the_share_of_a_destination_that_is_missing_goes_nowhere_and_the_reason_is_told():
    found = plan(
        virtual_service(
            {"route": [to(host="nope", weight=1), to("v9", weight=1), to("v1", port=1, weight=1)]},
            hosts=("a.example",),
        )
    )
    assert all(split.revision.startswith("nowhere:") for split in splits(found))
    assert troubles(found) == [
        ("ServiceNotFound", "destination default/nope: no such Service"),
        ("SubsetNotFound", "no DestinationRule of default/bert has the subset v9"),
        ("PortNotFound", "destination default/bert has no TCP port 1, but 8500, 8501"),
    ]
    assert "no such Service" in found.routes[0].trouble


def test_a_host_belongs_to_the_older_of_two_however_it_is_spelled():
    old = virtual_service({"route": [to("v1")]}, name="z", at=1)
    new = virtual_service(
        {"route": [to("v2")]}, name="a", at=2, hosts=("bert.default.svc.cluster.local", "b.example")
    )
    assert splits(plan(old, new))[0].revision == "svc:default/bert:8501@v1"
    assert troubles(plan(old, new)) == []
    found = plan(new, old)
    assert [route.hosts for route in found.routes] == [("b.example",)]
    assert troubles(found) == [
        (
            "HostTaken",
            "host bert.default.svc.cluster.local belongs to VirtualService default/z, which is older",
        )
    ]


def of_gateway(name: str, at: int, *http: dict[str, Any], **more: Any) -> VirtualService:
    hosts = more.pop("hosts", ("a.example",))
    return virtual_service(
        *http, name=name, at=at, hosts=hosts, gateways=["bert-gateway", "mesh"], **more
    )


def path(prefix: str, *route: dict[str, Any]) -> dict[str, Any]:
    return {"match": [{"uri": {"prefix": prefix}}], "route": list(route)}


def test_what_several_say_of_a_gateway_s_host_is_one_list_and_what_takes_all_comes_last():
    all_of_it = of_gateway("z", 1, path("/v1", to("v1")), {"route": [to("v1", weight=1)]})
    part = of_gateway("a", 2, path("/v2", to("v2")), hosts=("b.example", "a.example"))
    (route,) = plan(all_of_it, part).routes
    assert [[check.value for check in branch.checks] for branch in route.branches] == [
        ["/v1"],
        ["/v2"],
        [],
    ]
    assert [route.hosts for route in plan(part, all_of_it).routes] == [("b.example",)]
    assert troubles(plan(part, all_of_it)) == []


def test_a_trouble_of_a_younger_one_is_its_own_and_the_answer_s():
    old = of_gateway("old", 1, path("/v1", to("v1")))
    broken = of_gateway("new", 2, path("/v2", to("v9")))
    found = plan(old, broken)
    assert troubles(found) == []
    assert "has the subset v9" in found.routes[0].trouble
    assert [reason for reason, _ in troubles(plan(broken, old))] == ["SubsetNotFound"]


def test_the_oldest_has_a_host_alone_where_one_of_them_is_for_the_mesh_only():
    gateway, mesh = of_gateway("g", 1, path("/v1", to("v1"))), {"hosts": ("a.example",)}
    later = virtual_service(path("/v2", to("v2")), name="m", at=2, **mesh)
    assert len(plan(gateway, later).routes[0].branches) == 1
    assert [reason for reason, _ in troubles(plan(later, gateway))] == ["HostTaken"]
    earlier = virtual_service(path("/v2", to("v2")), name="m", at=0, **mesh)
    assert [reason for reason, _ in troubles(plan(gateway, earlier))] == ["HostTaken"]


def test_one_whose_gateway_is_missing_takes_no_host_from_others():
    lost = virtual_service({"route": [to("v1")]}, name="a", hosts=("a.example",), gateways=["nope"])
    assert troubles(plan(of_gateway("b", 2, {"route": [to("v2")]}), lost)) == []


def test_a_short_host_is_of_the_document_s_own_namespace():
    there = virtual_service({"route": [to("v1")]}, namespace="other")
    assert troubles(plan(there)) == [("ServiceNotFound", "destination other/bert: no such Service")]
    full = virtual_service(
        {"route": [to("v1", host="bert.default.svc.cluster.local")]}, namespace="other"
    )
    assert troubles(plan(full)) == []


def test_of_two_rules_that_name_a_subset_the_older_counts():
    def rule(name: str, at: int, version: str) -> DestinationRule:
        document = {
            "metadata": {
                "name": name,
                "namespace": "default",
                "creationTimestamp": f"2026-11-22T00:00:{at:02}Z",
            },
            "spec": {"host": "bert", "subsets": [{"name": "v1", "labels": {"version": version}}]},
        }
        return read(document, DestinationRule)[0]

    rules = [rule("a", 2, "new"), rule("b", 1, "old")]
    assert subsets_of(BERT, rules) == {"v1": {"version": "old"}}
    moved = [replace(one, spec=replace(one.spec, host="else")) for one in rules]
    assert subsets_of(BERT, moved) == {}
