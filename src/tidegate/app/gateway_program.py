"""What the gateway is told to do: its table, the controllers that fill it, and who hears its answers."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.app.controllers import Ground
from tidegate.ingress.balancers import BalancersController
from tidegate.ingress.certificates import (
    DEFAULT,
    certificates_controllers,
    default_certificate,
)
from tidegate.ingress.draining import DrainingController
from tidegate.ingress.endpoints import EndpointsController
from tidegate.ingress.ingresses import IngressesController
from tidegate.ingress.istio import VirtualServicesController
from tidegate.ingress.openai_batch import OpenAiBatchController
from tidegate.ingress.publisher import Publisher
from tidegate.ingress.routes import RoutesController
from tidegate.ingress.services import ServicesController
from tidegate.ingress.table import GatewayTable
from tidegate.ingress.unready import UnreadyController
from tidegate.link.gateway import FromGateway, ToGateway
from tidegate.model.meta import Key
from tidegate.reconcile import Controller

Listener = Callable[[FromGateway], None]


class GatewayProgram:
    """Owner of the routing table. `send` reaches the gateway."""

    def __init__(self, on: Ground, send: Callable[[ToGateway], None]) -> None:
        api, clock, config, around = on.api, on.clock, on.config, on.around
        self.table = table = GatewayTable(send=send)
        endpoints = EndpointsController(api, table, config)
        services = ServicesController(api, table, around.gateway)
        self._draining = DrainingController(api, clock, table, (endpoints, services))
        self._routes = RoutesController(api, clock, table)
        home = around.home
        self._batches = None if home is None else OpenAiBatchController(api, table, home)
        self.controllers: list[Controller] = [
            endpoints,
            services,
            self._draining,
            IngressesController(api, clock, table, around.gateway),
            VirtualServicesController(api, clock, table),
            self._routes,
            UnreadyController(api, table, config),
            *([] if self._batches is None else [self._batches]),
            *([] if around.gateway is None else [BalancersController(api, around.gateway)]),
            *self._certificates(on),
        ]

    def listeners(self, poke: Callable[[str, Key], None]) -> list[Listener]:
        """Who hears what the gateway says. `poke`: has a controller, by name, look at a key."""
        publisher = Publisher(self.table, self._draining, self._routes, poke)
        heard: list[Listener] = [publisher.on_message]
        if self._batches is not None:
            heard.append(self._batches.listener(poke))
        return heard

    def _certificates(self, on: Ground) -> list[Controller]:
        issue, gateway = on.around.issue, on.around.gateway
        if issue is None:
            return []
        address = gateway.ip if gateway is not None else None
        self.table.set_certificate(DEFAULT, default_certificate(issue, address=address))
        return certificates_controllers(on.api, on.clock, self.table, issue)
