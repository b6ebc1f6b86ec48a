"""The KafkaSink's loop: a receiver that writes events to its topic, and the address of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.client.api import Api
from tidegate.controllers.kafka.pods import carry_deployment
from tidegate.controllers.kafka.reports import Reports
from tidegate.controllers.kafka.secrets import of_auth
from tidegate.controllers.kafka.sink_plan import (
    SINK_LABEL,
    carry_service,
    child,
    desired_deployment,
    desired_service,
    labels_of,
    url_of,
)
from tidegate.controllers.kafka.status import is_settled, sink_status
from tidegate.kit.clock import Clock
from tidegate.model.apps import Deployment
from tidegate.model.core import Secret, Service
from tidegate.model.kafka import KafkaSink
from tidegate.model.meta import Key, controller_of
from tidegate.model.pods import Pod
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status

_ASK_AGAIN_S, _LOOK_AGAIN_S = 2.0, 10.0  # as for sources


class KafkaSinkController:
    """Owns the receiver of each sink. `reports` None: nobody asks receivers."""

    name = "kafkasink"

    def __init__(self, api: Api, clock: Clock, reports: Reports | None) -> None:
        self._api, self._clock, self._reports = api, clock, reports
        self.watches: Sequence[Watch] = (
            watch_self(KafkaSink),
            watch_owned(Deployment, "KafkaSink"),
            watch_owned(Service, "KafkaSink"),
            watch_mapped(Pod, _of_pod),
            watch_mapped(Secret, self._of_secret),
        )

    def _of_secret(self, secret: Secret) -> Iterable[Key]:
        for sink in self._api.list(KafkaSink, secret.metadata.namespace):
            auth = sink.spec.auth.secret if sink.spec.auth else None
            if auth is not None and auth.ref is not None and auth.ref.name == secret.metadata.name:
                yield sink.key

    async def reconcile(self, key: Key) -> Next:
        sink = self._api.get(KafkaSink, *key)
        if sink is None or sink.metadata.deletion_timestamp:
            return Done()  # its receiver goes with it
        credentials = of_auth(sink.spec.auth, key.namespace, self._api)
        deployment = self._api.get(Deployment, key.namespace, child(sink))
        taken = self._taken(sink)
        if taken is not None:
            deployment = None
        elif credentials.trouble is None:
            wanted = desired_deployment(sink, credentials)
            deployment = await ensure(self._api, wanted, carry_deployment)
            await ensure(self._api, desired_service(sink), carry_service)
        pods = [
            pod
            for pod in self._api.list(Pod, key.namespace, labels=labels_of(sink))
            if pod.metadata.deletion_timestamp is None
        ]
        reports = {} if self._reports is None else await self._reports.of(pods)
        status = sink_status(
            sink,
            url_of(sink),
            deployment,
            pods,
            reports,
            secrets=credentials.trouble,
            taken=taken,
            now_s=self._clock.now(),
        )
        await write_status(self._api, sink, status)
        return Again(_LOOK_AGAIN_S if is_settled(status.conditions) else _ASK_AGAIN_S)

    def _taken(self, sink: KafkaSink) -> str | None:
        """Which object of the receiver's name belongs to somebody else; None: there is none."""
        for type_ in (Deployment, Service):
            found = self._api.get(type_, sink.metadata.namespace or "", child(sink))
            ref = controller_of(found.metadata) if found is not None else None
            if found is not None and (ref is None or ref.uid != sink.metadata.uid):
                return (
                    f'{type_.__name__} "{found.metadata.name}" exists and does not belong to this '
                    "KafkaSink: delete or rename it"
                )
        return None


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(SINK_LABEL)
    if name:
        yield Key(pod.metadata.namespace or "", name)
