"""What `--enable-istio`, `--expose-service` and `traffic-router-split` make: Istio's documents. Pure.

Source: arena charts/tfserving/templates/istiorouting.yaml, pkg/serving/traffic_router_split.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.cli.arena.options import Options
from tidegate.cli.arena.render_pods import Json
from tidegate.cli.errors import Usage

SUBSET = "subset-"
_API_VERSION = "networking.istio.io/v1alpha3"
_NAME = re.compile(r"[a-z0-9A-Z_-]+")


@dataclass(frozen=True, slots=True)
class VersionWeight:
    """A version's share, in percent."""

    version: str
    weight: int


def read_weights(texts: Sequence[str]) -> tuple[VersionWeight, ...]:
    """`version:weight` texts; a weight that is missing is 100. Raises `Usage` in Arena's words."""
    found: dict[str, VersionWeight] = {}
    for text in texts:
        version, *more = text.split(":")
        if version in found:
            raise Usage(f"the version {version} has duplicate weight")
        if not version or (more and not re.fullmatch(r"\d+", more[0])):
            raise Usage(
                "invalid format for version and weight,should like version:weight and weight must be int"
            )
        found[version] = VersionWeight(version, int(more[0]) if more else 100)
    if sum(one.weight for one in found.values()) != 100:
        raise Usage(
            "invalid version weight format,total of all version weights is not equal to 100"
        )
    return tuple(found.values())


def check_name(name: str) -> None:
    """Raises `Usage` for a name that Istio's documents can't have."""
    if not _NAME.fullmatch(name):
        raise Usage("parameter model name should be numbers, letters, dashes, and underscores ONLY")


def check_istio(options: Options) -> None:
    """Raises `Usage` for what `--enable-istio` needs: versions that people can name in a split."""
    if not _NAME.fullmatch(options.name):
        raise Usage("--name should be numbers, letters, dashes, and underscores ONLY")
    if not options.version:
        raise Usage("--version must be specified if --enable-istio=true")


def first_version(name: str, version: str, namespace: str, *, exposed: bool) -> list[Json]:
    """All of the shared Service's requests to its first version; with a Gateway when `exposed`."""
    route = {"route": [{"destination": {"host": name, "subset": f"{SUBSET}{version}"}}]}
    spec: Json = {"hosts": [name]}
    if exposed:
        spec["gateways"] = [gateway_name(name), "mesh"]
    spec["http"] = [route]
    made = [
        _document("VirtualService", name, namespace, spec),
        _rule(name, namespace, [version]),
    ]
    return [*made, gateway(name, namespace)] if exposed else made


def split(name: str, namespace: str, weights: Sequence[VersionWeight]) -> list[Json]:
    """Shares of several versions, of what comes through the job's Gateway."""
    routes = [
        {
            "destination": {"host": name, "subset": f"{SUBSET}{one.version}"},
            "weight": one.weight,
        }
        for one in weights
    ]
    spec = {
        "hosts": ["*"],
        "gateways": [gateway_name(name)],
        "http": [
            {
                "match": [{"uri": {"prefix": "/"}}],
                "rewrite": {"uri": "/"},
                "route": routes,
            }
        ],
    }
    return [
        _rule(name, namespace, [one.version for one in weights]),
        _document("VirtualService", name, namespace, spec),
    ]


def gateway(name: str, namespace: str) -> Json:
    """The way in from outside, for any host."""
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    spec = {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": port, "hosts": ["*"]}],
    }
    return _document("Gateway", gateway_name(name), namespace, spec)


def gateway_name(name: str) -> str:
    return f"{name}-gateway"


def weights_of(virtual_service: Mapping[str, object]) -> dict[str, int]:
    """The share of each version, as a VirtualService of Arena's says; of only one without a weight,
    100."""
    found: dict[str, int] = {}
    spec = virtual_service.get("spec")
    for http in spec.get("http", ()) if isinstance(spec, dict) else ():
        for route in http.get("route", ()):
            subset = str(route.get("destination", {}).get("subset", ""))
            if subset.startswith(SUBSET):
                found[subset.removeprefix(SUBSET)] = int(route.get("weight", 0))
    return dict.fromkeys(found, 100) if list(found.values()) == [0] else found


def _rule(name: str, namespace: str, versions: Sequence[str]) -> Json:
    subsets = [{"name": f"{SUBSET}{v}", "labels": {"servingVersion": v}} for v in versions]
    return _document("DestinationRule", name, namespace, {"host": name, "subsets": subsets})


def _document(kind: str, name: str, namespace: str, spec: Json) -> Json:
    return {
        "apiVersion": _API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
