"""When a pod that goes has had its last answer: the one writer of the condition `tidegate.dev/Drained`.

A pod goes when it is deleted, and when it is laid to rest (docs/standby.md): then the agent takes the
condition off with the write that makes it ready again.

A pod may be a replica of several things at once: of a revision, and of every Service that selects
it, on several ports. It has drained when the gateway says so of all of them; then it gets the
condition, which is what the node agent waits for before SIGTERM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from tidegate.client.api import Api
from tidegate.ingress.replicas import is_leaving, pod_uid, says_drained
from tidegate.ingress.table import GatewayTable
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import timestamp
from tidegate.model.errors import NotFound
from tidegate.model.meta import Condition, Key
from tidegate.model.pods import Pod, PodStatus
from tidegate.reconcile import Done, Next, Watch, watch_self


class Publishes(Protocol):
    """Keeps entries of the gateway's table whose replicas are pods."""

    def of_pod(self, pod: Pod) -> Iterable[Key]:
        """What the pod is a replica of."""
        ...

    def publish(self, key: Key) -> None:
        """Bring the entries of one of them in line with what is there."""
        ...


class DrainingController:
    """Looks at each pod that goes."""

    name = "draining"
    watches: Sequence[Watch] = (watch_self(Pod),)

    def __init__(
        self, api: Api, clock: Clock, table: GatewayTable, publishers: Sequence[Publishes]
    ) -> None:
        self._api, self._clock, self._table = api, clock, table
        self._publishers = publishers
        self._going: dict[str, Key] = {}  # uid -> pod

    def waits(self, endpoint_id: str) -> Key | None:
        """The pod that waits for this endpoint to drain."""
        return self._going.get(pod_uid(endpoint_id))

    async def reconcile(self, key: Key) -> Next:
        pod = self._api.get(Pod, *key)
        uid = pod.metadata.uid if pod is not None else None
        for gone in [u for u, k in self._going.items() if k == key and u != uid]:
            del self._going[gone]
        if pod is None or not is_leaving(pod) or says_drained(pod):
            self._going.pop(uid or "", None)
            return Done()
        assert uid is not None
        self._going[uid] = key
        # The table first: it must not look as if the gateway had never known the pod when only we
        # don't know it yet.
        for publisher in self._publishers:
            for owner in publisher.of_pod(pod):
                publisher.publish(owner)
        if not self._table.is_busy(uid):
            await self._say_drained(pod)  # which takes it out of the table
        return Done()

    async def _say_drained(self, pod: Pod) -> None:
        status = pod.status or PodStatus(phase="Pending")
        condition = Condition(
            type=names.DRAINED,
            status="True",
            last_transition_time=timestamp(self._clock.now()),
        )
        kept = tuple(c for c in status.conditions if c.type != names.DRAINED)
        fresh = msgspec.structs.replace(status, conditions=(*kept, condition))
        with suppress(NotFound):  # it went without waiting, as a pod that never ran does
            await self._api.update_status(msgspec.structs.replace(pod, status=fresh))
