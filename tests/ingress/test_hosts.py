"""Ingresses as routes: who has a path, what a canary takes, what is told of what has no effect."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.ingress.hosts import HostPlan, hosts_of, plan_host
from tidegate.link.gateway import Route, Rule
from tidegate.model.core import Service
from tidegate.model.ingresses import Ingress, services_of
from tidegate.model.meta import Key, OwnerReference
from tidegate.model.wire import read

HOST = "shop.example.com"
MAIN, NEW = "svc:default/v1:80", "svc:default/v2:80"


def ingress(
    name: str,
    *paths: tuple[str, str],
    host: str | None = HOST,
    at: int = 0,
    path_type: str = "Prefix",
    default: str | None = None,
    **annotations: str,
) -> Ingress:
    """`paths` are (path, service); annotations come without nginx' prefix."""
    rules: list[dict[str, Any]] = [
        {
            "host": host,
            "http": {
                "paths": [
                    {"path": path, "pathType": path_type, "backend": backend(service)}
                    for path, service in paths
                ]
            },
        }
    ]
    document = {
        "metadata": {
            "name": name,
            "namespace": "default",
            "creationTimestamp": f"2026-11-22T00:00:{at:02}Z",
            "annotations": {
                f"nginx.ingress.kubernetes.io/{k.replace('_', '-')}": v
                for k, v in annotations.items()
            },
        },
        "spec": {
            "rules": rules if paths else [],
            "defaultBackend": backend(default) if default else None,
        },
    }
    return read(document, Ingress)[0]


def backend(service: str) -> dict[str, Any]:
    name, _, port = service.partition(":")
    return {"service": {"name": name, "port": {"name": port} if port else {"number": 80}}}


def services(*names: str) -> dict[Key, Service]:
    made = {}
    for name in names:
        ports = [{"name": "http", "port": 80}, {"name": "metrics", "port": 9090}]
        document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": ports}}
        made[Key("default", name)] = read(document, Service)[0]
    return made


def plan(
    *ingresses: Ingress, host: str = HOST, there: tuple[str, ...] = ("v1", "v2", "v3")
) -> HostPlan:
    return plan_host(host, ingresses, services(*there).get)


def only(found: HostPlan) -> Route:
    (route,) = found.routes
    return route


def weights(route: Route) -> dict[str, int]:
    return {split.revision: split.percent for split in route.splits}


def test_each_path_of_a_host_leads_to_its_service():
    found = plan(ingress("shop", ("/", "v1"), ("/cart", "v2:metrics")))
    assert {(r.path, r.splits[0].revision) for r in found.routes} == {
        ("/", MAIN),
        ("/cart", "svc:default/v2:9090"),
    }
    assert {r.hosts for r in found.routes} == {(HOST,)}
    assert len({r.key for r in found.routes}) == 2
    assert found.notes == ()


def test_one_path_may_be_both_exact_and_a_prefix():
    found = plan(ingress("a", ("/x", "v1")), ingress("b", ("/x", "v2"), path_type="Exact"))
    assert {(r.path_type, r.splits[0].revision) for r in found.routes} == {
        ("Prefix", MAIN),
        ("Exact", NEW),
    }
    assert len({r.key for r in found.routes}) == 2


def test_a_path_that_is_left_to_the_controller_is_a_prefix_and_none_is_everything():
    route = only(plan(ingress("a", ("", "v1"), path_type="ImplementationSpecific")))
    assert (route.path, route.path_type) == ("/", "Prefix")


def test_of_two_ingresses_with_one_path_the_older_has_it_and_the_other_is_told():
    found = plan(ingress("young", ("/", "v2"), at=9), ingress("old", ("/", "v1"), at=1))
    assert weights(only(found)) == {MAIN: 100}
    (note,) = found.notes
    assert (note.ingress.name, note.reason) == ("young", "PathTaken")
    assert "Ingress default/old, which is older" in note.message


def test_a_missing_service_answers_why():
    found = plan(ingress("a", ("/", "v9")))
    route = only(found)
    assert route.splits == ()
    assert route.trouble == (
        "Service default/v9, which Ingress default/a names for host shop.example.com and path /, "
        "does not exist"
    )
    assert [note.reason for note in found.notes] == ["ServiceNotFound"]


def test_a_missing_port_answers_which_there_are():
    found = plan(ingress("a", ("/", "v1:grpc")))
    assert "has no TCP port grpc, but 80 (http), 9090 (metrics)" in (only(found).trouble or "")
    assert [note.reason for note in found.notes] == ["PortNotFound"]


def test_a_canary_takes_its_weight():
    found = plan(
        ingress("main", ("/", "v1")), ingress("new", ("/", "v2"), canary="true", canary_weight="10")
    )
    assert weights(only(found)) == {MAIN: 90, NEW: 10}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("weight", "expected"), [("0", {MAIN: 100}), ("100", {NEW: 100}), ("1000", {NEW: 100})]
)
def test_weight_nothing_is_none_and_weight_all_is_all(weight, expected):
    new = ingress("new", ("/", "v2"), canary="true", canary_weight=weight)
    assert weights(only(plan(ingress("main", ("/", "v1")), new))) == expected


def test_header_goes_before_cookie_and_cookie_before_weight():
    new = ingress(
        "new",
        ("/", "v2"),
        canary="true",
        canary_weight="10",
        canary_by_header="X-New",
        canary_by_cookie="beta",
    )
    route = only(plan(ingress("main", ("/", "v1")), new))
    assert route.rules == (
        Rule(revision=NEW, header="X-New", values=("always",)),
        Rule(revision=MAIN, header="X-New", values=("never",)),
        Rule(revision=NEW, cookie="beta", values=("always",)),
        Rule(revision=MAIN, cookie="beta", values=("never",)),
    )
    assert weights(route) == {MAIN: 90, NEW: 10}


def test_a_header_value_is_the_only_one_that_counts():
    new = ingress(
        "new", ("/", "v2"), canary="true", canary_by_header="X-V", canary_by_header_value="2"
    )
    route = only(plan(ingress("main", ("/", "v1")), new))
    assert route.rules == (Rule(revision=NEW, header="X-V", values=("2",)),)
    assert weights(route) == {MAIN: 100}


def test_a_canary_without_a_main_ingress_is_inert_and_told():
    found = plan(ingress("new", ("/", "v2"), canary="true", canary_weight="10"))
    assert found.routes == ()
    (note,) = found.notes
    assert (note.ingress, note.reason) == (Key("default", "new"), "CanaryWithoutMain")


def test_a_canary_of_another_path_is_inert():
    new = ingress("new", ("/cart", "v2"), canary="true", canary_weight="10")
    found = plan(ingress("main", ("/", "v1")), new)
    assert weights(only(found)) == {MAIN: 100}
    assert [note.reason for note in found.notes] == ["CanaryWithoutMain"]


def test_there_is_one_canary_of_a_path():
    first = ingress("first", ("/", "v2"), at=1, canary="true", canary_weight="10")
    second = ingress("second", ("/", "v3"), at=2, canary="true", canary_weight="50")
    found = plan(second, ingress("main", ("/", "v1")), first)
    assert weights(only(found)) == {MAIN: 90, NEW: 10}
    assert [(n.ingress.name, n.reason) for n in found.notes] == [("second", "CanaryIgnored")]


def test_a_canary_whose_service_is_missing_takes_nothing_away():
    new = ingress("new", ("/", "v9"), canary="true", canary_weight="10")
    found = plan(ingress("main", ("/", "v1")), new)
    assert weights(only(found)) == {MAIN: 100}
    assert "the canary gets no requests" in found.notes[0].message


def test_what_no_path_matches_goes_to_the_default_backend():
    found = plan(ingress("a", ("/cart", "v2"), default="v1"))
    assert {(r.path, r.splits[0].revision) for r in found.routes} == {("/cart", NEW), ("/", MAIN)}
    anywhere = only(plan(ingress("a", ("/cart", "v2"), default="v1"), host=""))
    assert (anywhere.hosts, anywhere.path, weights(anywhere)) == (("",), "/", {MAIN: 100})


def test_rules_without_a_host_are_for_any():
    found = ingress("a", ("/", "v1"), host=None)
    assert hosts_of(found) == [""]
    assert only(plan(found, host="")).hosts == ("",)


def test_the_services_of_an_ingress_are_all_its_backends():
    assert services_of(ingress("a", ("/", "v1"), ("/b", "v2"), default="v3")) == {"v1", "v2", "v3"}


def test_plain_http_goes_to_https_for_hosts_with_a_certificate():
    plain = ingress("plain", ("/", "v1"))
    for hosts, redirects in (
        ([], True),
        ([HOST], True),
        (["*.example.com"], True),
        (["other.example.com"], False),
    ):
        tls = read({"spec": {"tls": [{"hosts": hosts, "secretName": "s"}]}}, Ingress)[0].spec.tls
        secure = replace(plain, spec=replace(plain.spec, tls=tls))
        assert [r.redirect_https for r in plan(secure).routes] == [redirects], hosts
    assert not plan(plain).routes[0].redirect_https


def test_an_inference_service_is_a_model_of_its_name_and_other_ingresses_say_theirs():
    plain = ingress("plain", ("/", "v1"), ("/part", "v2"))
    owner = OwnerReference(
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        name="qwen",
        uid="u",
        controller=True,
    )
    owned = replace(plain, metadata=replace(plain.metadata, owner_references=(owner,)))
    says = replace(
        plain, metadata=replace(plain.metadata, annotations={"tidegate.dev/models": "m"})
    )
    models = [
        {route.path: route.models for route in plan(one).routes} for one in (plain, owned, says)
    ]
    assert models == [
        {"/": (), "/part": ()},
        {"/": ("qwen",), "/part": ()},
        {"/": ("m",), "/part": ()},
    ]


def test_a_wildcard_of_an_ingress_is_one_label():
    wild = plan(ingress("main", ("/", "v1"), host="*.example.com"), host="*.example.com")
    assert only(wild).one_label
    assert not only(plan(ingress("main", ("/", "v1")))).one_label
