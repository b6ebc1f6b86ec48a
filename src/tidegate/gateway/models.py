"""One OpenAI API for all models on the gateway's own address: `/openai/v1/...`.

The `model` field of the body says which service a request is for, so it waits here until its body is
complete; then it goes on like any other, to where that service has the API: `/v1/...` with most servers.
The list of models we answer ourselves.
"""

from __future__ import annotations

from asyncio import TimerHandle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from tidegate.gateway import answers
from tidegate.gateway.model_name import NoModel, model_of
from tidegate.link.gateway import OPENAI_BATCH
from tidegate.routing import host_name, is_loopback
from tidegate.routing.rules import headers

if TYPE_CHECKING:
    from tidegate.gateway.exchange import Exchange
    from tidegate.gateway.hub import Hub
    from tidegate.routing import Table, Target

PREFIX: Final = b"/openai/v1/"
_LIST: Final = PREFIX + b"models"
_BATCH_WORDS: Final = (b"files", b"batches")  # these have no model, and a service of ours
_LOOKS: Final = (b"GET", b"HEAD")


class Models:
    """Requests of this API until it is known whose they are. Owned by the hub."""

    def __init__(self, hub: Hub, table: Table) -> None:
        self._hub, self._table = hub, table
        self._tickets: dict[Exchange, Ticket] = {}
        self._bytes = 0

    def takes(self, exchange: Exchange) -> bool:
        """Whether this is a request of the API, on our own address; if so, it is taken care of."""
        head = exchange.head
        if not head.target.startswith(PREFIX) or not is_loopback(host_name(head.host)):
            return False
        path = head.target.partition(b"?")[0]
        if path[len(PREFIX) :].partition(b"/")[0] in _BATCH_WORDS:
            target = self._table.get(OPENAI_BATCH)
            if target is None:
                exchange.refuse(answers.NO_BATCHES)
            else:
                self._hub.submit(exchange, target)
        elif path == _LIST or path.startswith(_LIST + b"/"):
            self._tell(exchange, path[len(_LIST) + 1 :].decode("latin-1"))
        elif head.method in _LOOKS or (exchange.body_done and not exchange.held):
            exchange.refuse(answers.model_unsaid("it has no body"))
        else:
            self._begin(exchange)
        return True

    def leave(self, exchange: Exchange) -> None:
        """A request that waited here is gone."""
        ticket = self._tickets.pop(exchange, None)
        if ticket is not None:
            ticket.timer.cancel()
            self._bytes -= ticket.size

    def grown(self, ticket: Ticket, more_bytes: int) -> None:
        """More of a body is held."""
        settings = self._hub.settings
        ticket.size += more_bytes
        self._bytes += more_bytes
        if ticket.size > settings.model_body_bytes or self._bytes > settings.model_bytes:
            ticket.exchange.refuse(answers.model_unseen(settings.model_body_bytes))

    def decide(self, exchange: Exchange) -> None:
        """The body is complete: it says where the request goes."""
        self.leave(exchange)
        exchange.extra().watch = None
        kind = next(headers(exchange.head.fields, b"content-type"), b"")
        try:
            name = model_of(kind, b"".join(exchange.held))
        except NoModel as why:
            exchange.refuse(answers.model_unsaid(str(why)))
            return
        target = self._table.by_model(name)
        if target is None:
            exchange.refuse(answers.unknown_model(name, list(self._table.models())))
        else:
            rest = exchange.head.target[len(PREFIX) :]
            exchange.target = f"{target.openai_path}/".encode() + rest
            self._hub.submit(exchange, target)

    def close(self) -> None:
        """The gateway ends: who waits here is to come again."""
        for exchange in list(self._tickets):
            exchange.refuse(answers.SHUTTING_DOWN)

    def _begin(self, exchange: Exchange) -> None:
        settings = self._hub.settings
        exchange.arrived_s = self._hub.monotonic()
        if exchange.head.length > settings.model_body_bytes:
            exchange.refuse(answers.model_unseen(settings.model_body_bytes))
            return
        if exchange.body_done:
            self.decide(exchange)
            return
        late = answers.body_too_slow(settings.model_body_s)
        timer = self._hub.later(settings.model_body_s, exchange.refuse, late)
        ticket = self._tickets[exchange] = Ticket(self, exchange, timer)
        extra = exchange.extra()
        extra.watch, extra.holds_all = ticket, True
        self.grown(ticket, exchange.held_bytes)
        if not exchange.ended:
            exchange.client.go_on_reading()

    def _tell(self, exchange: Exchange, name: str) -> None:
        models = self._table.models()
        if exchange.head.method not in _LOOKS:
            exchange.refuse(answers.MODELS_ARE_READ)
        elif not name:
            data = [_about(model, target) for model, target in models.items()]
            exchange.reply(msgspec.json.encode({"object": "list", "data": data}))
        elif name in models:
            exchange.reply(msgspec.json.encode(_about(name, models[name])))
        else:
            exchange.refuse(answers.unknown_model(name, list(models)))


@dataclass(slots=True, eq=False)
class Ticket:
    """A request whose body is still coming. See `exchange.BodyWatch`."""

    models: Models
    exchange: Exchange
    timer: TimerHandle
    size: int = 0  # bytes held

    def add(self, piece: bytes) -> None:
        """A piece of the body."""
        self.models.grown(self, len(piece))

    def complete(self) -> None:
        """The body is whole."""
        self.models.decide(self.exchange)


def _about(name: str, target: Target) -> dict[str, object]:
    """A model as OpenAI's API lists it; when it was made nobody here knows."""
    return {"id": name, "object": "model", "created": 0, "owned_by": target.key}
