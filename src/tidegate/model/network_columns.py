"""The columns of what leads requests to pods: endpoints, slices, Ingresses and their classes.

Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.model.column import AGE, NAME, NONE, text
from tidegate.model.endpoints import Endpoints, EndpointSlice
from tidegate.model.ingresses import OLD_CLASS, Ingress, IngressClass

_SHOWN = 3
_UNSET = "<unset>"


def _shortened(found: Sequence[str], more: str) -> str:
    if len(found) <= _SHOWN:
        return ",".join(found)
    return f"{','.join(found[:_SHOWN])} + {len(found) - _SHOWN} {more}"


def _addresses(endpoints: Endpoints, now_s: float) -> str:
    found = [
        f"{address.ip}:{port.port}"
        for subset in endpoints.subsets
        for port in subset.ports
        for address in subset.addresses
    ]
    return _shortened(found, "more...") or NONE


def _slice_ports(slice_: EndpointSlice, now_s: float) -> str:
    found = ["*" if p.port is None else str(p.port) for p in slice_.ports]
    return _shortened(found, "more...") or _UNSET


def _slice_endpoints(slice_: EndpointSlice, now_s: float) -> str:
    found = [address for endpoint in slice_.endpoints for address in endpoint.addresses]
    return _shortened(found, "more...") or _UNSET


ENDPOINTS = (NAME, text("Endpoints", _addresses), AGE)
ENDPOINT_SLICE = (
    NAME,
    text("AddressType", lambda obj, now_s: obj.address_type),
    text("Ports", _slice_ports),
    text("Endpoints", _slice_endpoints),
    AGE,
)


def _hosts(ingress: Ingress, now_s: float) -> str:
    hosts = list(dict.fromkeys(rule.host for rule in ingress.spec.rules if rule.host))
    return _shortened(hosts, "more...") or "*"


def _class(ingress: Ingress, now_s: float) -> str:
    return ingress.spec.ingress_class_name or ingress.metadata.annotations.get(OLD_CLASS) or NONE


def _address(ingress: Ingress, now_s: float) -> str:
    balancer = ingress.status.load_balancer if ingress.status else None
    return ",".join(i.ip or i.hostname or "" for i in (balancer.ingress if balancer else ()))


INGRESS = (
    NAME,
    text("Class", _class),
    text("Hosts", _hosts),
    text("Address", _address),
    text("Ports", lambda obj, now_s: "80, 443" if obj.spec.tls else "80"),
    AGE,
)


def _parameters(class_: IngressClass, now_s: float) -> str:
    given = class_.spec.parameters
    if not isinstance(given, dict):
        return NONE
    group = f".{given['apiGroup']}" if given.get("apiGroup") else ""
    return f"{given.get('kind', '')}{group}/{given.get('name', '')}"


INGRESS_CLASS = (
    NAME,
    text("Controller", lambda obj, now_s: obj.spec.controller),
    text("Parameters", _parameters),
    AGE,
)
