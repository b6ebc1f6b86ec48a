"""Revisions and their pods as entries of the gateway's table, and the draining of pods that go.

A pod that is ready is an endpoint. A pod that is going stays one, marked draining, until the
gateway says that its last request has left; then it gets the condition `tidegate.dev/Drained`,
which is what the node agent waits for before SIGTERM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from tidegate.client.api import Api
from tidegate.ingress.table import GatewayTable
from tidegate.kit.clock import Clock
from tidegate.link.gateway import Endpoint
from tidegate.link.gateway import Revision as RevisionEntry
from tidegate.model import serving_names as names
from tidegate.model.conditions import find, is_true, timestamp
from tidegate.model.core import LocalPort, Pod, PodStatus
from tidegate.model.errors import NotFound
from tidegate.model.meta import Condition, Key
from tidegate.model.serving import Revision
from tidegate.model.trouble import trouble_of
from tidegate.policy import kpa_spec
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self

MAX_SAMPLES_S = 3600


class EndpointsController:
    """Keeps one table entry per revision; the one writer of the condition Drained."""

    name = "endpoints"

    def __init__(self, api: Api, clock: Clock, table: GatewayTable, config: ClusterConfig) -> None:
        self._api, self._clock, self._table, self._config = api, clock, table, config
        self._drained: dict[str, set[str]] = {}  # per revision: endpoints whose pod isn't told yet
        self.watches: Sequence[Watch] = (watch_self(Revision), watch_mapped(Pod, _of_pod))

    def drained(self, revision: str, endpoint_id: str) -> None:
        """The gateway has had its last answer from there. The caller has the revision looked at.

        Counts only while the table says that it drains: an endpoint that was taken out because its
        pod wasn't ready, and came back, has new requests by now.
        """
        if endpoint_id in self._draining(revision):
            self._drained.setdefault(revision, set()).add(endpoint_id)

    async def reconcile(self, key: Key) -> Next:
        revision = self._api.get(Revision, *key)
        pods = self._api.list(Pod, key.namespace, labels={names.REVISION: key.name})
        # The table first: a write that is refused below must not leave the revision out of the first
        # snapshot of a restarted control plane, for the gateway would drop what the snapshot lacks.
        if revision is not None:
            self._table.set_revision(str(key), self._entry(revision, pods))
        else:
            self._table.set_revision(str(key), self._rest(str(key), pods))
        self._drained[str(key)] = self._drained.pop(str(key), set()) & self._draining(str(key))
        if not self._drained[str(key)]:
            del self._drained[str(key)]
        for pod in pods:
            if self._has_drained(str(key), pod):
                await self._say_drained(pod)  # which brings us back, and takes it out of the table
        return Done()

    def _draining(self, key: str) -> set[str]:
        entry = self._table.revisions.get(key)
        return {e.id for e in entry.endpoints if e.draining} if entry is not None else set()

    def _rest(self, key: str, pods: Sequence[Pod]) -> RevisionEntry | None:
        """The entry of a revision that is gone: it stays until its last pod has drained."""
        endpoints = tuple(e for pod in pods if (e := endpoint(pod)) is not None)
        if not endpoints:
            return None
        last = self._table.revisions.get(key) or RevisionEntry(key=key)
        return msgspec.structs.replace(last, endpoints=endpoints)

    def _has_drained(self, key: str, pod: Pod) -> bool:
        """Going, not said yet, and the gateway is through with it (or never knew it)."""
        if pod.metadata.deletion_timestamp is None or _says_drained(pod):
            return False
        known = endpoint(pod)
        return known is None or known.id in self._drained.get(key, ())

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

    def _entry(self, revision: Revision, pods: Sequence[Pod]) -> RevisionEntry:
        spec = revision.spec
        annotations = revision.metadata.annotations
        scaling = kpa_spec(annotations, self._config.autoscaler(), self._config.deployment())
        timeout_s = float(spec.timeout_seconds or 300)
        endpoints = tuple(e for pod in pods if (e := endpoint(pod)) is not None)
        serves = any(not e.draining for e in endpoints)
        return RevisionEntry(
            key=str(revision.key),
            endpoints=endpoints,
            container_concurrency=spec.container_concurrency or 0,
            timeout_s=timeout_s,
            response_start_timeout_s=_seconds(spec.response_start_timeout_seconds),
            idle_timeout_s=_seconds(spec.idle_timeout_seconds),
            keep_samples_s=min(MAX_SAMPLES_S, scaling.stable_window_s),
            idempotent=annotations.get(names.IDEMPOTENT) == "true",
            trouble=None if serves else _trouble(revision, pods),
        )


def _trouble(revision: Revision, pods: Sequence[Pod]) -> str | None:
    """Why there is no replica: what the pods say, else the revision."""
    found = trouble_of(pods)
    if found is not None:
        return found.message
    ready = find(revision.status.conditions, "Ready") if revision.status else None
    return ready.message if ready is not None and ready.status != "True" else None


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(names.REVISION)
    if name:
        yield Key(pod.metadata.namespace or "", name)


def _seconds(value: int | None) -> float | None:
    return float(value) if value else None


def _says_drained(pod: Pod) -> bool:
    return pod.status is not None and is_true(pod.status.conditions, names.DRAINED)


def serving_port(pod: Pod) -> LocalPort | None:
    """The local port that stands for the pod's serving port; None before the agent has given one."""
    ports = pod.status.tidegate.ports if pod.status and pod.status.tidegate else ()
    return next((p for p in ports if p.name == names.USER_PORT), ports[0] if ports else None)


def endpoint(pod: Pod) -> Endpoint | None:
    """The pod as the gateway knows it; None if no request may go there (any more)."""
    port = serving_port(pod)
    if port is None or pod.status is None:
        return None
    going = pod.metadata.deletion_timestamp is not None
    if going and _says_drained(pod):
        return None
    if not going and not is_true(pod.status.conditions, "Ready"):
        return None
    # A container that is started again may get another port: for the gateway that is another replica.
    id_ = f"{pod.metadata.uid}/{port.local_port}"
    return Endpoint(id=id_, host="127.0.0.1", port=port.local_port, draining=going)
