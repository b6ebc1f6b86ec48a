"""Endpoints and EndpointSlices of Services with a selector: where `kubectl describe` and clients look.

The gateway doesn't read them; it is told of pods directly. Every pod listens on ports of its own on
loopback, so each has a subset and a slice to itself.
Source: kubernetes pkg/controller/endpoint, pkg/controller/endpointslice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import msgspec

from tidegate.client.api import Api
from tidegate.model.conditions import is_true
from tidegate.model.core import Service
from tidegate.model.endpoints import (
    MANAGED_BY,
    SERVICE_NAME,
    EndpointAddress,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    EndpointSubset,
    SliceEndpoint,
    SlicePort,
)
from tidegate.model.errors import NotFound
from tidegate.model.meta import Key, ObjectMeta, ObjectReference, owner_reference
from tidegate.model.pods import Pod
from tidegate.model.service_targets import local_port, routed_ports, selects
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure

_LOOPBACK = "127.0.0.1"
_HEADLESS = "service.kubernetes.io/headless"
_OURS = "endpointslice-controller.tidegate.dev"


class ServiceEndpointsController:
    """The one writer of these objects. Those of Services without a selector are their authors'."""

    name = "service endpoints"

    def __init__(self, api: Api) -> None:
        self._api = api
        self.watches: Sequence[Watch] = (
            watch_self(Service),
            watch_mapped(Pod, self._of_pod),
            watch_owned(Endpoints, "Service"),
            watch_owned(EndpointSlice, "Service"),
        )

    def _of_pod(self, pod: Pod) -> Iterable[Key]:
        for service in self._api.list(Service, pod.metadata.namespace):
            if selects(service, pod):
                yield service.key

    async def reconcile(self, key: Key) -> Next:
        service = self._api.get(Service, *key)
        if service is None or service.metadata.deletion_timestamp is not None:
            return Done()  # what it owns goes with it
        if not service.spec.selector:
            return Done()
        pods = self._api.list(Pod, key.namespace, labels=service.spec.selector)
        await ensure(self._api, desired_endpoints(service, pods), _carry_endpoints)
        wanted = {slice_.metadata.name: slice_ for slice_ in desired_slices(service, pods)}
        for slice_ in wanted.values():
            await ensure(self._api, slice_, _carry_slice)
        labels = {SERVICE_NAME: key.name, MANAGED_BY: _OURS}
        for slice_ in self._api.list(EndpointSlice, key.namespace, labels=labels):
            if slice_.metadata.name not in wanted:
                with suppress(NotFound):
                    await self._api.delete(EndpointSlice, key.namespace, slice_.metadata.name)
        return Done()


def _carry_endpoints(existing: Endpoints, desired: Endpoints) -> Endpoints:
    meta = msgspec.structs.replace(
        existing.metadata,
        labels=desired.metadata.labels,
        owner_references=desired.metadata.owner_references,
    )
    return msgspec.structs.replace(existing, metadata=meta, subsets=desired.subsets)


def _carry_slice(existing: EndpointSlice, desired: EndpointSlice) -> EndpointSlice:
    meta = msgspec.structs.replace(existing.metadata, labels=desired.metadata.labels)
    return msgspec.structs.replace(
        existing, metadata=meta, endpoints=desired.endpoints, ports=desired.ports
    )


def desired_endpoints(service: Service, pods: Iterable[Pod]) -> Endpoints:
    """One subset for each pod that is not going."""
    subsets = []
    for pod in pods:
        ports = tuple(_ports(service, pod))
        if pod.metadata.deletion_timestamp is not None or not ports:
            continue
        address = EndpointAddress(
            ip=_LOOPBACK, node_name=pod.spec.node_name, target_ref=_reference(pod)
        )
        ready = _is_ready(pod) or bool(service.spec.publish_not_ready_addresses)
        subsets.append(
            EndpointSubset(
                addresses=(address,) if ready else (),
                not_ready_addresses=() if ready else (address,),
                ports=ports,
            )
        )
    return Endpoints(metadata=_metadata(service, service.metadata.name), subsets=tuple(subsets))


def desired_slices(service: Service, pods: Iterable[Pod]) -> Iterator[EndpointSlice]:
    """One for each pod."""
    for pod in pods:
        ports = tuple(_ports(service, pod))
        if not ports:
            continue
        serving, going = _is_ready(pod), pod.metadata.deletion_timestamp is not None
        early = bool(service.spec.publish_not_ready_addresses)
        mark = hashlib.sha256((pod.metadata.uid or "").encode()).hexdigest()[:8]
        yield EndpointSlice(
            metadata=_metadata(
                service,
                f"{service.metadata.name}-{mark}",
                {SERVICE_NAME: service.metadata.name, MANAGED_BY: _OURS},
            ),
            address_type="IPv4",
            endpoints=(
                SliceEndpoint(
                    addresses=(_LOOPBACK,),
                    conditions=EndpointConditions(
                        ready=early or (serving and not going), serving=serving, terminating=going
                    ),
                    node_name=pod.spec.node_name,
                    target_ref=_reference(pod),
                ),
            ),
            ports=tuple(
                SlicePort(
                    name=p.name or "", port=p.port, protocol=p.protocol, app_protocol=p.app_protocol
                )
                for p in ports
            ),
        )


def _ports(service: Service, pod: Pod) -> Iterator[EndpointPort]:
    for port in routed_ports(service):
        local = local_port(pod, port)
        if local is not None:
            yield EndpointPort(
                port=local.local_port,
                name=port.name,
                protocol="TCP",
                app_protocol=port.app_protocol,
            )


def _metadata(service: Service, name: str, more: dict[str, str] | None = None) -> ObjectMeta:
    meta = service.metadata
    headless = {_HEADLESS: ""} if service.spec.cluster_ip == "None" else {}
    return ObjectMeta(
        name=name,
        namespace=meta.namespace,
        labels={**meta.labels, **headless, **(more or {})},
        owner_references=(owner_reference("Service", "v1", meta),),
    )


def _reference(pod: Pod) -> ObjectReference:
    meta = pod.metadata
    return ObjectReference(kind="Pod", name=meta.name, namespace=meta.namespace, uid=meta.uid)


def _is_ready(pod: Pod) -> bool:
    return pod.status is not None and is_true(pod.status.conditions, "Ready")
