"""The Services that documents and scripts ask for an ingress' address: each answers with the gateway's.

`kubectl -n kube-system get svc nginx-ingress-lb -o jsonpath='{.status.loadBalancer.ingress[0].ip}'` and
its like. Whatever the ingress is called, on this machine it is the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tidegate.client.api import Api
from tidegate.model.core import (
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from tidegate.model.errors import AlreadyExists
from tidegate.model.meta import Key, ObjectMeta
from tidegate.reconcile import Done, Next, Watch, watch_mapped

#: Where ACK, Istio, Kourier and ACK's Kourier keep the Service in front of their ingress.
BALANCERS: tuple[Key, ...] = (
    Key("kube-system", "nginx-ingress-lb"),
    Key("istio-system", "istio-ingressgateway"),
    Key("kourier-system", "kourier"),
    Key("knative-serving", "kourier"),
)
_OURS = {"app.kubernetes.io/managed-by": "tidegate"}
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listens on all: loopback leads there


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where the gateway listens."""

    host: str
    port: int
    https_port: int | None = None  # None: no HTTPS there

    @property
    def ports(self) -> tuple[ServicePort, ...]:
        """As the Service in front of it has them."""
        named = (("http", self.port), ("https", self.https_port))
        return tuple(
            ServicePort(name=name, port=port, target_port=port, protocol="TCP")
            for name, port in named
            if port is not None
        )

    @property
    def ip(self) -> str:
        """An address that a program on this machine can connect to."""
        return _ANY_ADDRESS.get(self.host, self.host)


class BalancersController:
    """Keeps those Services there, in the namespaces that exist.

    One that somebody else wrote keeps its spec and gets the address all the same, if its type is
    LoadBalancer: documents bring their own at times.
    """

    name = "balancers"

    def __init__(self, api: Api, address: GatewayAddress) -> None:
        self._api, self._address = api, address
        self.watches: Sequence[Watch] = (
            watch_mapped(Namespace, _in_namespace),
            watch_mapped(Service, lambda service: [k for k in BALANCERS if k == service.key]),
        )

    async def reconcile(self, key: Key) -> Next:
        home = self._api.get(Namespace, "", key.namespace)
        if home is None or home.metadata.deletion_timestamp is not None:
            return Done()
        found = self._api.get(Service, *key)
        if found is None:
            try:
                found = await self._api.create(balancer(key, self._address))
            except AlreadyExists:  # its event brings us here again
                return Done()
        if found.metadata.deletion_timestamp is not None:
            return Done()
        ours = _OURS.items() <= found.metadata.labels.items()
        wanted = [p.port for p in self._address.ports]
        if ours and [p.port for p in found.spec.ports] != wanted:
            found = await self._api.update(
                msgspec.structs.replace(found, spec=balancer(key, self._address).spec)
            )
        status = {"loadBalancer": {"ingress": [{"ip": self._address.ip}]}}
        if found.spec.type == "LoadBalancer" and found.status != status:
            await self._api.update_status(msgspec.structs.replace(found, status=status))
        return Done()


def balancer(key: Key, address: GatewayAddress) -> Service:
    """The Service in front of the gateway, without its status."""
    return Service(
        metadata=ObjectMeta(name=key.name, namespace=key.namespace, labels=dict(_OURS)),
        spec=ServiceSpec(type="LoadBalancer", ports=address.ports),
    )


def _in_namespace(namespace: Namespace) -> Iterable[Key]:
    return [key for key in BALANCERS if key.namespace == namespace.metadata.name]
