"""Ties the gateway link to the controllers that fill its table.

Acknowledgements make Ingresses ready; `Drained` lets pods go.
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.ingress.draining import DrainingController
from tidegate.ingress.routes import RoutesController
from tidegate.ingress.services import ServicesController, service_of
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import Ack, Drained, FromGateway, Hello
from tidegate.model.meta import Key

Poke = Callable[[str, Key], None]  # controller name, key: look at it


class Publisher:
    """Listens to the gateway on behalf of `draining` and `routes`."""

    def __init__(
        self,
        table: GatewayTable,
        draining: DrainingController,
        routes: RoutesController,
        poke: Poke,
    ) -> None:
        self._table, self._draining, self._routes = table, draining, routes
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
                self._on_drained(message)
            case _:
                pass  # samples and wakes are the autoscaler's

    def _on_drained(self, message: Drained) -> None:
        self._table.drained(message.revision, message.endpoint)
        pod = self._draining.waits(message.endpoint)
        if pod is not None:
            self._poke(self._draining.name, pod)
        service = service_of(message.revision)
        if service is not None:  # it may have been kept only for this
            self._poke(ServicesController.name, service)
