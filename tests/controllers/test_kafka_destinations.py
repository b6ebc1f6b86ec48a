"""Where events go: what has an address, and how it is dialled from this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pytest

from tidegate.controllers.kafka.destinations import Address, Unresolved, resolve
from tidegate.model import core, kserve, serving
from tidegate.model.eventing import Destination
from tidegate.model.kafka import KafkaSink
from tidegate.model.meta import Object
from tidegate.model.wire import read

T = TypeVar("T", bound=Object)
GATEWAY = "127.0.0.1:8080"


class Objects:
    """A reader over what it was given."""

    def __init__(self, *objects: Object) -> None:
        self._objects = objects

    def get(self, type_: type[T], namespace: str, name: str) -> T | None:
        for obj in self._objects:
            if isinstance(obj, type_) and obj.key == (namespace, name):
                return obj
        return None

    def list(
        self,
        type_: type[T],
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        owner_uid: str | None = None,
        mentions: str | None = None,
    ) -> Sequence[T]:
        return [obj for obj in self._objects if isinstance(obj, type_)]

    def subscribe(self, types: Any, on_change: Any) -> Any:
        """Nothing here ever changes."""
        return lambda: None


def addressed(type_: type[T], url: str | None, name: str = "web") -> T:
    status = {"address": {"url": url}} if url else {}
    raw = {"metadata": {"name": name, "namespace": "default"}, "status": status}
    return read(raw, type_)[0]


def service(*ports: int) -> core.Service:
    spec = {"ports": [{"port": port} for port in ports], "selector": {"app": "web"}}
    return read({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}, core.Service)[
        0
    ]


def to(api: str, kind: str, uri: str | None = None, **ref: str) -> Destination:
    raw: dict[str, Any] = {"ref": {"apiVersion": api, "kind": kind, "name": "web", **ref}}
    return read({**raw, "uri": uri}, Destination)[0]


def found(destination: Destination, *objects: Object, gateway: str | None = GATEWAY) -> Address:
    address = resolve(destination, "default", Objects(*objects), gateway)
    assert isinstance(address, Address), address
    return address


def wrong(destination: Destination, *objects: Object, gateway: str | None = GATEWAY) -> Unresolved:
    address = resolve(destination, "default", Objects(*objects), gateway)
    assert isinstance(address, Unresolved), address
    return address


INSIDE = "http://web.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("api", "kind", "obj"),
    [
        ("serving.knative.dev/v1", "Service", addressed(serving.Service, INSIDE)),
        ("serving.knative.dev/v1", "Route", addressed(serving.Route, INSIDE)),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            addressed(kserve.InferenceService, INSIDE),
        ),
        ("eventing.knative.dev/v1alpha1", "KafkaSink", addressed(KafkaSink, INSIDE)),
        ("v1", "Service", service(80)),
    ],
)
def test_what_has_an_address_is_dialled_at_the_gateway_by_its_name(api, kind, obj):
    address = found(to(api, kind, "/in?x=1"), obj)
    assert address.uri == f"{INSIDE}/in?x=1"
    assert address.url == "http://127.0.0.1:8080/in?x=1"
    assert address.host == "web.default.svc.cluster.local"


def test_a_services_first_port_counts_where_it_has_no_port_80():
    assert found(to("v1", "Service"), service(9000, 9001)).host == (
        "web.default.svc.cluster.local:9000"
    )
    assert found(to("v1", "Service"), service(9000, 80)).host == "web.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("base", "uri", "joined"),
    [
        (INSIDE, None, INSIDE),
        (INSIDE, "predict", f"{INSIDE}/predict"),
        (INSIDE, "?query=music", f"{INSIDE}/?query=music"),
        (f"{INSIDE}/base/", "predict", f"{INSIDE}/base/predict"),
    ],
)
def test_a_relative_uri_is_resolved_against_the_address(base, uri, joined):
    sink = to("serving.knative.dev/v1", "Service", uri)
    assert found(sink, addressed(serving.Service, base)).uri == joined


def test_a_url_outside_is_dialled_as_it_is():
    outside = Destination(uri="https://example.com/in", ca_certs="PEM")
    assert found(outside) == Address(
        "https://example.com/in", "https://example.com/in", None, "PEM"
    )


@pytest.mark.parametrize("host", ["web.default.svc", "web.default.svc.cluster.local"])
def test_a_cluster_name_written_as_uri_is_dialled_at_the_gateway_too(host):
    address = found(Destination(uri=f"http://{host}:81/in"))
    assert (address.url, address.host) == ("http://127.0.0.1:8080/in", f"{host}:81")


@pytest.mark.parametrize(
    ("sink", "objects", "reason"),
    [
        (to("serving.knative.dev/v1", "Service"), (), "NotFound"),
        (
            to("serving.knative.dev/v1", "Service"),
            (addressed(serving.Service, None),),
            "AddressNotSet",
        ),
        (to("apps/v1", "Deployment"), (), "NotAddressable"),
        (to("v1", "Service", namespace="other"), (service(80),), "NotFound"),
        (to("v1", "Service"), (service(),), "AddressNotSet"),
        (Destination(uri="https://web.default.svc/in"), (), "SchemeNotServed"),
    ],
    ids=["missing", "no address yet", "no kind with one", "another namespace", "no port", "https"],
)
def test_what_cannot_be_sent_to_says_why(sink, objects, reason):
    assert wrong(sink, *objects).reason == reason


def test_without_a_gateway_services_of_this_machine_cannot_be_reached():
    assert wrong(to("v1", "Service"), service(80), gateway=None).reason == "NoGateway"
