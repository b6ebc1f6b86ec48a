"""The KafkaSource's loop: reads, lets the others decide, writes.

Without an address of the sink no adapter runs: upstream goes on with the last one it knew, and what a
deleted sink refuses is dropped after its tries; here the events wait in their topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.controllers.kafka.destinations import (
    ADDRESSABLE,
    Address,
    Unresolved,
    refers_to,
    reply_of,
    resolve,
)
from tidegate.controllers.kafka.pods import carry_deployment
from tidegate.controllers.kafka.reports import Report, Reports
from tidegate.controllers.kafka.secrets import Credentials, of_net, secret_names
from tidegate.controllers.kafka.source_plan import (
    carry_authentication,
    carry_scaled_object,
    deployment_name,
    desired_authentication,
    desired_deployment,
    desired_scaled_object,
    labels_of,
    scaled_object_name,
)
from tidegate.controllers.kafka.status import is_settled, source_status
from tidegate.kit.clock import Clock
from tidegate.model.apps import Deployment
from tidegate.model.core import Secret
from tidegate.model.kafka import KafkaSource
from tidegate.model.kafka_settings import scaling_of
from tidegate.model.keda import ScaledObject, TriggerAuthentication
from tidegate.model.meta import Key, Object
from tidegate.model.pods import Pod
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status

#: How soon adapters are asked again while something is wrong: their pods stay unready meanwhile, so
#: nothing that is watched changes. Once all is well, losing the connection shows in their readiness, some
#: probes later; asking tells it sooner.
_ASK_AGAIN_S = 2.0
_LOOK_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class _Ways:
    """`wrong`: the first destination that has no address; then nothing is sent anywhere."""

    sink: Address | None = None
    dead_letter: Address | None = None
    reply: Address | None = None
    wrong: Unresolved | None = None


class KafkaSourceController:
    """Owns the adapters of each source. `gateway` is its `host:port` for pods; None: not known.
    `reports` None: nobody asks adapters."""

    name = "kafkasource"

    def __init__(
        self, api: Api, clock: Clock, gateway: str | None, reports: Reports | None
    ) -> None:
        self._api, self._clock, self._gateway, self._reports = api, clock, gateway, reports
        self.watches: Sequence[Watch] = (
            watch_self(KafkaSource),
            watch_owned(Deployment, "KafkaSource"),
            watch_owned(ScaledObject, "KafkaSource"),
            watch_mapped(Pod, _of_pod),
            watch_mapped(Secret, self._of_secret),
            *(watch_mapped(type_, self._of_target) for type_, _ in ADDRESSABLE.values()),
        )

    def _of_secret(self, secret: Secret) -> Iterable[Key]:
        for source in self._api.list(KafkaSource, secret.metadata.namespace):
            if secret.metadata.name in secret_names(source.spec.net):
                yield source.key

    def _of_target(self, obj: Object) -> Iterable[Key]:
        return [s.key for s in self._api.list(KafkaSource) if refers_to(s, obj)]

    async def reconcile(self, key: Key) -> Next:
        source = self._api.get(KafkaSource, *key)
        if source is None or source.metadata.deletion_timestamp:
            return Done()  # its adapters go with it
        ways = self._ways(source)
        credentials = of_net(source.spec.net, key.namespace, self._api)
        deployment = await self._deploy(source, ways, credentials)
        await self._scale(source, credentials)
        pods = self._pods(source)
        reports = await self._ask(pods)
        sink = ways.wrong or ways.sink
        assert sink is not None
        status = source_status(
            source,
            sink,
            deployment,
            pods,
            reports,
            secrets=credentials.trouble,
            now_s=self._clock.now(),
        )
        await write_status(self._api, source, status)
        if source.spec.consumers == 0 or ways.wrong is not None:
            return Done()
        return Again(_LOOK_AGAIN_S if is_settled(status.conditions) else _ASK_AGAIN_S)

    def _ways(self, source: KafkaSource) -> _Ways:
        """Where the source's events, its dead letters and its answers go."""
        spec = source.spec
        wanted = {
            "sink": spec.sink,
            "dead_letter": spec.delivery.dead_letter_sink if spec.delivery else None,
            "reply": reply_of(source),
        }
        found: dict[str, Address] = {}
        for name, to in wanted.items():
            if to is None:
                continue
            address = resolve(to, source.metadata.namespace or "", self._api, self._gateway)
            if isinstance(address, Unresolved):
                what = "" if name == "sink" else f"{name.replace('_', ' ')}: "
                return _Ways(wrong=Unresolved(address.reason, f"{what}{address.message}"))
            found[name] = address
        return _Ways(found.get("sink"), found.get("dead_letter"), found.get("reply"))

    async def _deploy(
        self, source: KafkaSource, ways: _Ways, credentials: Credentials
    ) -> Deployment | None:
        existing = self._api.get(
            Deployment, source.metadata.namespace or "", deployment_name(source)
        )
        if ways.sink is None or credentials.trouble is not None:
            if existing is not None and existing.spec.replicas != 0:
                spec = replace(existing.spec, replicas=0)
                return await self._api.update(replace(existing, spec=spec))
            return existing
        wanted = desired_deployment(
            source,
            credentials,
            sink=ways.sink,
            dead_letter=ways.dead_letter,
            reply=ways.reply,
        )
        return await ensure(self._api, wanted, carry_deployment)

    async def _scale(self, source: KafkaSource, credentials: Credentials) -> None:
        """The ScaledObject comes and goes with the annotation."""
        scaling = scaling_of(source.metadata.annotations)
        if scaling is None or credentials.trouble is not None:
            name, space = scaled_object_name(source), source.metadata.namespace or ""
            for type_ in (ScaledObject, TriggerAuthentication):
                existing = self._api.get(type_, space, name)
                if existing is not None and scaling is None:
                    await self._api.delete(type_, space, name, uid=existing.metadata.uid)
            return
        authentication = desired_authentication(source, credentials)
        if authentication is not None:
            await ensure(self._api, authentication, carry_authentication)
        wanted = desired_scaled_object(source, credentials, scaling)
        await ensure(self._api, wanted, carry_scaled_object)

    def _pods(self, source: KafkaSource) -> list[Pod]:
        pods = self._api.list(Pod, source.metadata.namespace, labels=labels_of(source))
        return [pod for pod in pods if pod.metadata.deletion_timestamp is None]

    async def _ask(self, pods: Sequence[Pod]) -> dict[str, Report]:
        return {} if self._reports is None else await self._reports.of(pods)


def _of_pod(pod: Pod) -> Iterable[Key]:
    """Its readiness may have changed."""
    labels = pod.metadata.labels
    if labels.get("eventing.knative.dev/source") == "kafka-source-controller":
        name = labels.get("eventing.knative.dev/SourceName")
        if name:
            yield Key(pod.metadata.namespace or "", name)
