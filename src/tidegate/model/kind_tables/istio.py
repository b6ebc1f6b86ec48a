"""Istio's kinds that say how traffic is split."""

from __future__ import annotations

from tidegate.model import istio
from tidegate.model.kind import Kind, in_version

_ISTIO = ("istio-io", "networking-istio-io")


KINDS: tuple[Kind, ...] = (
    Kind(
        istio.VirtualService,
        istio.GROUP,
        "v1",
        "VirtualService",
        "virtualservices",
        "virtualservice",
        ("vs",),
        _ISTIO,
    ),
    Kind(
        istio.DestinationRule,
        istio.GROUP,
        "v1",
        "DestinationRule",
        "destinationrules",
        "destinationrule",
        ("dr",),
        _ISTIO,
    ),
    Kind(istio.Gateway, istio.GROUP, "v1", "Gateway", "gateways", "gateway", ("gw",), _ISTIO),
)

VERSIONS: tuple[Kind, ...] = tuple(
    in_version(kind, version) for kind in KINDS for version in ("v1beta1", "v1alpha3")
)
