"""`/openai/v1/files` and `/openai/v1/batches`: a service of ours that isn't there until somebody asks.

The gateway's table has a place for its revision from the start. The first request waits there, the
gateway says `Wake`, and that makes the Knative Service, which from then on scales to zero and back like
any other. Its revision's name follows from what it runs, so that a new Tidegate replaces it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tidegate.client.api import Api
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import OPENAI_BATCH, FromGateway, Revision, Route, Split, Wake
from tidegate.model import serving
from tidegate.model.containers import Container, ContainerPort
from tidegate.model.errors import AlreadyExists, Conflict
from tidegate.model.meta import Key, ObjectMeta
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped

NAMESPACE: Final = "tidegate-system"
NAME: Final = "openai-batch"
_KEY: Final = Key(NAMESPACE, NAME)
_LABELS: Final = {"app.kubernetes.io/managed-by": "tidegate"}
_AGAIN_S: Final = 0.5
_START_S: Final = 120.0  # a request waits this long for the first replica ever

Poke = Callable[[str, Key], None]  # controller name, key: look at it


class OpenAiBatchController:
    """Makes the service when it is asked for. `home` is the engine's folder."""

    name = "openai-batch"

    def __init__(self, api: Api, table: GatewayTable, home: Path) -> None:
        self._api, self._table = api, table
        self._wanted = document(home)
        template = self._wanted.spec.template.metadata
        assert template is not None
        self._revision = Key(NAMESPACE, template.name)
        self._asked = False  # a request waits for it
        self._was_there = False
        self.watches: Sequence[Watch] = (
            watch_mapped(serving.Revision, lambda r: [_KEY] if r.key == self._revision else []),
        )
        key = str(self._revision)
        self._hold_place()
        table.set_route(
            OPENAI_BATCH,
            Route(key=OPENAI_BATCH, hosts=(), splits=(Split(revision=key, percent=100),)),
        )

    def listener(self, poke: Poke) -> Callable[[FromGateway], None]:
        """What listens to the gateway for the first request."""
        key = str(self._revision)

        def on_message(message: FromGateway) -> None:
            if isinstance(message, Wake) and message.revision == key:
                self._asked = True
                poke(self.name, _KEY)

        return on_message

    async def reconcile(self, key: Key) -> Next:
        if self._api.get(serving.Revision, *self._revision) is not None:
            self._asked, self._was_there = False, True
            return Done()
        self._hold_place()
        if self._was_there:  # somebody deleted it, and its entry goes in a moment
            self._was_there = False
            return Again(_AGAIN_S)
        if self._asked:
            return await self._make()
        return Done()

    def _hold_place(self) -> None:
        key = str(self._revision)
        if key not in self._table.revisions:
            self._table.set_revision(key, Revision(key=key, wait_s=_START_S))

    async def _make(self) -> Next:
        found = self._api.get(serving.Service, *_KEY)
        try:
            if found is None:
                await self._api.create(self._wanted)
            elif _name(found) != _name(self._wanted):
                await self._api.update(msgspec.structs.replace(found, spec=self._wanted.spec))
        except (AlreadyExists, Conflict):
            return Again(_AGAIN_S)
        return Done()


def _name(service: serving.Service) -> str | None:
    """Of its revision: another one runs something else."""
    metadata = service.spec.template.metadata
    return metadata.name if metadata is not None else None


def document(home: Path) -> serving.Service:
    """The Knative Service."""
    container = Container(
        name="server",
        image="tidegate/openai-batch",
        args=("serve", "--home", str(home)),
        ports=(ContainerPort(container_port=8080),),
    )
    digest = hashlib.sha256(msgspec.json.encode(container)).hexdigest()[:8]
    annotations = {
        "autoscaling.knative.dev/max-scale": "1",
        "autoscaling.knative.dev/window": "60s",
    }
    template = serving.RevisionTemplateSpec(
        metadata=ObjectMeta(name=f"{NAME}-{digest}", annotations=annotations),
        spec=serving.RevisionSpec(containers=(container,), timeout_seconds=600),
    )
    return serving.Service(
        metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels=_LABELS),
        spec=serving.ServiceSpec(template=template),
    )
