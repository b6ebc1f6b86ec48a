"""networking.k8s.io/v1: Ingress and IngressClass.

Not to be mixed up with Knative's internal Ingress (`model.networking`), which its Routes write.
"""

from __future__ import annotations

from typing import Any

from tidegate.model.meta import Object
from tidegate.model.wire import ClusterOnly, Wire

OLD_CLASS = "kubernetes.io/ingress.class"  # the annotation from before spec.ingressClassName


class ServiceBackendPort(Wire, frozen=True, kw_only=True):
    """Exactly one of the two."""

    name: str | None = None
    number: int | None = None


class IngressServiceBackend(Wire, frozen=True, kw_only=True):
    name: str = ""
    port: ServiceBackendPort | None = None


class IngressBackend(Wire, frozen=True, kw_only=True):
    """`resource` is refused at admission: nothing here serves from other kinds."""

    service: IngressServiceBackend | None = None
    resource: Any = None


class HTTPIngressPath(Wire, frozen=True, kw_only=True):
    backend: IngressBackend = IngressBackend()
    path: str | None = None
    path_type: str | None = None


class HTTPIngressRuleValue(Wire, frozen=True, kw_only=True):
    paths: tuple[HTTPIngressPath, ...] = ()


class IngressRule(Wire, frozen=True, kw_only=True):
    """`host` None or empty: every host that no other rule has."""

    host: str | None = None
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Wire, frozen=True, kw_only=True):
    hosts: tuple[str, ...] = ()
    secret_name: str | None = None


class IngressSpec(Wire, frozen=True, kw_only=True):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class IngressPortStatus(Wire, frozen=True, kw_only=True):
    port: int
    protocol: str
    error: str | None = None


class IngressLoadBalancerIngress(Wire, frozen=True, kw_only=True):
    ip: str | None = None
    hostname: str | None = None
    ports: tuple[IngressPortStatus, ...] = ()


class IngressLoadBalancerStatus(Wire, frozen=True, kw_only=True):
    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressStatus(Wire, frozen=True, kw_only=True):
    load_balancer: IngressLoadBalancerStatus | None = None


class Ingress(Object, frozen=True, kw_only=True):
    spec: IngressSpec = IngressSpec()
    status: IngressStatus | None = None

    def backends(self) -> list[IngressBackend]:
        """All that its paths and its default lead to."""
        found = [path.backend for rule in self.spec.rules if rule.http for path in rule.http.paths]
        default = self.spec.default_backend
        return found if default is None else [*found, default]


class IngressClassSpec(Wire, frozen=True, kw_only=True):
    controller: str = ""
    parameters: ClusterOnly = None


class IngressClass(Object, frozen=True, kw_only=True):
    spec: IngressClassSpec = IngressClassSpec()


def services_of(ingress: Ingress) -> set[str]:
    """The names of the Services that an Ingress sends requests to."""
    backends = [ingress.spec.default_backend] if ingress.spec.default_backend else []
    for rule in ingress.spec.rules:
        backends += [path.backend for path in rule.http.paths] if rule.http else []
    return {backend.service.name for backend in backends if backend.service is not None}
