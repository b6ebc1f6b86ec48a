"""What is read and written for one revision, in which order.

The Deployment's replica count is written here once, at creation; after that it is the
autoscaler's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.client.api import Api
from tidegate.controllers.revision.autoscaler import carry_autoscaler, desired_autoscaler
from tidegate.controllers.revision.deployment import (
    desired_deployment,
    standby_held,
    with_standby,
)
from tidegate.controllers.revision.status import owned, plan_refused, plan_status
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.apps import Deployment
from tidegate.model.errors import BadRequest, Forbidden, Invalid
from tidegate.model.meta import Key
from tidegate.model.pods import Pod
from tidegate.model.serving import PodAutoscaler, Revision
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status

_REFUSED_AGAIN_S = 30.0  # a quota or a policy may let the children in later


class RevisionController:
    """Makes what a revision runs on, and follows it."""

    name = "revision"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self.watches: Sequence[Watch] = (
            watch_self(Revision),
            watch_owned(Deployment, "Revision"),
            watch_owned(PodAutoscaler, "Revision"),
            watch_mapped(Pod, _of_pod),
        )

    async def reconcile(self, key: Key) -> Next:
        revision = self._api.get(Revision, *key)
        if revision is None or revision.metadata.deletion_timestamp:
            return Done()
        try:
            deployment, autoscaler = await self._children(revision)
        except (BadRequest, Forbidden, Invalid) as why:
            refused = plan_refused(revision, str(why), now_s=self._clock.now())
            await write_status(self._api, revision, refused)
            return Again(_REFUSED_AGAIN_S)
        pods = self._api.list(
            Pod, key.namespace, labels={names.REVISION_UID: revision.metadata.uid or ""}
        )
        status = plan_status(revision, deployment, autoscaler, pods, now_s=self._clock.now())
        await write_status(self._api, revision, status)
        return Done()

    async def _children(self, revision: Revision) -> tuple[Deployment, PodAutoscaler]:
        wanted = desired_deployment(revision, self._config.autoscaler(), self._config.deployment())
        deployment = self._api.get(Deployment, *wanted.key)
        if deployment is None:
            deployment = await ensure(self._api, wanted, lambda existing, _: existing)
        held = standby_held(revision)
        if deployment.metadata.annotations.get(names.STANDBY_HELD) != held and held is not None:
            deployment = await self._api.update(with_standby(deployment, held))
        autoscaler = self._api.get(PodAutoscaler, *revision.key)
        if autoscaler is None or owned(autoscaler, revision):
            scaler = desired_autoscaler(revision, deployment)
            autoscaler = await ensure(self._api, scaler, carry_autoscaler)
        return deployment, autoscaler


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(names.REVISION)
    if name:
        yield Key(pod.metadata.namespace or "", name)
