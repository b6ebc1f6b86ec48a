"""What a mapping leads to: the same shares as the Route it refers to, or a core Service's port.

Source: knative/serving pkg/reconciler/domainmapping/reconciler.go (`resolveRef`, `routeHTTPPaths`).
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.client.api import Reader
from tidegate.model import serving_names as names
from tidegate.model.core import Service as CoreService
from tidegate.model.domains import DomainMapping, KReference
from tidegate.model.meta import Condition
from tidegate.model.networking import Ingress, IngressPath, IngressSplit
from tidegate.model.service_targets import routed_ports
from tidegate.model.serving import Route, Service
from tidegate.policy.domain import local_hosts

_SERVING = {"Service": Service, "Route": Route}


@dataclass(frozen=True, slots=True)
class Resolved:
    """`paths` empty: nothing to send requests to yet; `resolved` or `waits` says why."""

    resolved: Condition
    paths: tuple[IngressPath, ...] = ()
    waits: Condition | None = None


def resolve(mapping: DomainMapping, api: Reader) -> Resolved:
    """Where requests for the mapping's host go. Reads only."""
    ref = mapping.spec.ref
    namespace, name = mapping.metadata.namespace or "", ref.name or ""
    group = _group(ref)
    if group == names.GROUP and ref.kind in _SERVING:
        return _serving(ref, namespace, api)
    if group == "" and ref.kind == "Service":
        return _core(namespace, name, api)
    return _unresolved(
        f"{ref.api_version or ref.group}, Kind={ref.kind} has no address here: "
        f"refer to a Service or Route of {names.GROUP}, or to a v1 Service"
    )


def refers_to(mapping: DomainMapping, kinds: tuple[str, ...], name: str) -> bool:
    """Whether a change of such an object may concern the mapping."""
    return mapping.spec.ref.kind in kinds and mapping.spec.ref.name == name


def _group(ref: KReference) -> str:
    if ref.api_version:
        return ref.api_version.rpartition("/")[0]
    return ref.group or ""


def _serving(ref: KReference, namespace: str, api: Reader) -> Resolved:
    name = ref.name or ""
    target: Service | Route | None = (
        api.get(Service, namespace, name)
        if ref.kind == "Service"
        else api.get(Route, namespace, name)
    )
    if target is None:
        return _missing(f"{str(ref.kind).lower()}s.{names.GROUP}", namespace, name)
    if target.status is None or target.status.address is None:
        return _unresolved(f'{ref.kind} "{name}" has no address yet')
    resolved = Condition(type="ReferenceResolved", status="True")
    if api.get(Route, namespace, name) is None:
        return _waiting(resolved, f"Waiting for target Route {namespace}/{name} to be created.")
    ingress = api.get(Ingress, namespace, name)
    if ingress is None:
        where = f"Route {namespace}/{name} to configure Ingress {namespace}/{name}"
        return _waiting(resolved, f"Waiting for target {where}.")
    host = local_hosts(name, namespace)[0]
    for rule in ingress.spec.rules:
        if host in rule.hosts and rule.http is not None:
            return Resolved(resolved, rule.http.paths)
    text = f'Ingress {namespace}/{name} has no cluster-local rule for host "{host}".'
    return _waiting(resolved, text)


def _core(namespace: str, name: str, api: Reader) -> Resolved:
    service = api.get(CoreService, namespace, name)
    if service is None:
        return _missing("services", namespace, name)
    ports = [port.port for port in routed_ports(service)]
    if not ports:
        return _unresolved(f'Service "{name}" has no TCP port')
    split = IngressSplit(
        service_name=name,
        service_namespace=namespace,
        service_port=80 if 80 in ports else ports[0],
        percent=100,
    )
    resolved = Condition(type="ReferenceResolved", status="True")
    return Resolved(resolved, (IngressPath(splits=(split,)),))


def _missing(resource: str, namespace: str, name: str) -> Resolved:
    return _unresolved(f'failed to get object {namespace}/{name}: {resource} "{name}" not found')


def _unresolved(message: str) -> Resolved:
    return Resolved(
        Condition(type="ReferenceResolved", status="False", reason="ResolveFailed", message=message)
    )


def _waiting(resolved: Condition, message: str) -> Resolved:
    waits = Condition(
        type="IngressReady", status="Unknown", reason="IngressNotConfigured", message=message
    )
    return Resolved(resolved, waits=waits)
