"""Revisions and their pods as entries of the gateway's table.

A pod that is ready is an endpoint. A pod that is going stays one, marked draining, until the
gateway says that its last request has left (`ingress.draining`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.ingress.replicas import endpoint, serving_port
from tidegate.ingress.table import GatewayTable
from tidegate.link.gateway import Endpoint
from tidegate.link.gateway import Revision as RevisionEntry
from tidegate.model import serving_names as names
from tidegate.model.conditions import find
from tidegate.model.core import ConfigMap
from tidegate.model.meta import Key
from tidegate.model.pods import Pod
from tidegate.model.port_protocol import revision_protocol
from tidegate.model.serving import Revision
from tidegate.model.trouble import trouble_of
from tidegate.policy import kpa_spec
from tidegate.policy.batch_share import batch_share
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self

MAX_SAMPLES_S = 3600
AWAY_S = 60  # a control plane that was away for so long makes up the evaluations it missed


class EndpointsController:
    """Keeps one table entry per revision."""

    name = "endpoints"

    def __init__(self, api: Api, table: GatewayTable, config: ClusterConfig) -> None:
        self._api, self._table, self._config = api, table, config
        self.watches: Sequence[Watch] = (
            watch_self(Revision),
            watch_mapped(Pod, self.of_pod),
            watch_mapped(ConfigMap, self._of_config),
        )

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        """Another stable window: samples are kept for as long as it lasts."""
        if config.key != (names.SYSTEM_NAMESPACE, "config-autoscaler"):
            return ()
        return [revision.key for revision in self._api.list(Revision)]

    async def reconcile(self, key: Key) -> Next:
        self.publish(key)
        return Done()

    def of_pod(self, pod: Pod) -> Iterable[Key]:
        """The revision that the pod is a replica of."""
        name = pod.metadata.labels.get(names.REVISION)
        if name:
            yield Key(pod.metadata.namespace or "", name)

    def publish(self, key: Key) -> None:
        """Bring the revision's entry in line with its pods."""
        revision = self._api.get(Revision, *key)
        pods = self._api.list(Pod, key.namespace, labels={names.REVISION: key.name})
        if revision is not None:
            self._table.set_revision(str(key), self._entry(revision, pods))
        else:
            self._table.set_revision(str(key), self._rest(str(key), pods))

    def _rest(self, key: str, pods: Sequence[Pod]) -> RevisionEntry | None:
        """The entry of a revision that is gone: it stays until its last pod has drained."""
        endpoints = _endpoints(pods)
        if not endpoints:
            return None
        last = self._table.revisions.get(key) or RevisionEntry(key=key)
        return msgspec.structs.replace(last, endpoints=endpoints)

    def _entry(self, revision: Revision, pods: Sequence[Pod]) -> RevisionEntry:
        spec = revision.spec
        annotations = revision.metadata.annotations
        scaling = kpa_spec(annotations, self._config.autoscaler(), self._config.deployment())
        timeout_s = float(spec.timeout_seconds or 300)
        endpoints = _endpoints(pods)
        serves = any(not e.draining for e in endpoints)
        return RevisionEntry(
            key=str(revision.key),
            endpoints=endpoints,
            protocol=revision_protocol(revision),
            container_concurrency=spec.container_concurrency or 0,
            batch_concurrency=batch_share(annotations, scaling, spec.container_concurrency or 0),
            timeout_s=timeout_s,
            response_start_timeout_s=_seconds(spec.response_start_timeout_seconds),
            idle_timeout_s=_seconds(spec.idle_timeout_seconds),
            keep_samples_s=min(MAX_SAMPLES_S, scaling.stable_window_s + AWAY_S),
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


def _endpoints(pods: Sequence[Pod]) -> tuple[Endpoint, ...]:
    return tuple(e for pod in pods if (e := endpoint(pod, serving_port(pod))) is not None)


def _seconds(value: int | None) -> float | None:
    return float(value) if value else None
