"""networking.internal.knative.dev/v1alpha1 Ingress: what a Route wants from the data plane.

The Route controller writes the spec; the room `ingress` programs the gateway with it and answers
in the status once the gateway has it in force.
Source: knative.dev/networking pkg/apis/networking/v1alpha1/ingress_types.go.
"""

from __future__ import annotations

from tidegate.model.meta import Object
from tidegate.model.serving import ServingStatus
from tidegate.model.wire import Wire

EXTERNAL_IP = "ExternalIP"
CLUSTER_LOCAL = "ClusterLocal"


class IngressSplit(Wire, frozen=True, kw_only=True):
    """`service_name` is the revision's name (its public service has the same)."""

    service_name: str
    service_namespace: str
    percent: int
    service_port: int | None = None
    append_headers: dict[str, str] = {}


class HeaderMatch(Wire, frozen=True, kw_only=True):
    """What a header's whole value must be."""

    exact: str


class IngressPath(Wire, frozen=True, kw_only=True):
    """`headers`: only requests that have all of these; paths of a rule are tried in their order."""

    splits: tuple[IngressSplit, ...] = ()
    append_headers: dict[str, str] = {}
    headers: dict[str, HeaderMatch] = {}


class IngressHTTP(Wire, frozen=True, kw_only=True):
    paths: tuple[IngressPath, ...] = ()


class IngressRule(Wire, frozen=True, kw_only=True):
    """Requests for these hosts. Rules of one Ingress have different hosts."""

    hosts: tuple[str, ...] = ()
    visibility: str | None = None
    http: IngressHTTP | None = None


class IngressSpec(Wire, frozen=True, kw_only=True):
    rules: tuple[IngressRule, ...] = ()
    http_option: str | None = None


class IngressStatus(ServingStatus, frozen=True, kw_only=True):
    """Ready is True when the gateway has acknowledged `observed_generation`."""


class Ingress(Object, frozen=True, kw_only=True):
    spec: IngressSpec = IngressSpec()
    status: IngressStatus | None = None
