"""Ties the gateway link to the controllers that fill its table.

Acknowledgements make Ingresses ready; `Drained` lets pods go.
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.ingress.endpoints import EndpointsController
from tidegate.ingress.routes import RoutesController
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import Ack, Drained, FromGateway, Hello
from tidegate.model.meta import Key

Poke = Callable[[str, Key], None]  # controller name, key: look at it


class Publisher:
    """Listens to the gateway on behalf of `endpoints` and `routes`."""

    def __init__(
        self,
        table: GatewayTable,
        endpoints: EndpointsController,
        routes: RoutesController,
        poke: Poke,
    ) -> None:
        self._table, self._endpoints, self._routes = table, endpoints, routes
        self._poke = poke

    def on_message(self, message: FromGateway) -> None:
        """A listener of `GatewayLink`."""
        match message:
            case Hello():
                self._table.start_after(message.seq)
            case Ack():
                self._table.acked = max(self._table.acked, message.seq)
                for key in self._routes.waiting():
                    self._poke(self._routes.name, key)
            case Drained():
                self._endpoints.drained(message.revision, message.endpoint)
                namespace, _, name = message.revision.partition("/")
                self._poke(self._endpoints.name, Key(namespace, name))
            case _:
                pass  # samples and wakes are the autoscaler's
