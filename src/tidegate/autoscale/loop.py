"""The live autoscaler: the one writer of a revision's replica count.

Samples and wakes come in from the gateway, evaluations run every two seconds (and at once when a
request finds nothing), and a step turns the outcome into a scale write and the PodAutoscaler's
status. All deciding is in `scaling`; this file only reads, feeds and writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from tidegate.autoscale.history import History
from tidegate.autoscale.reporter import Reporter
from tidegate.autoscale.revision_hpa import is_hpa
from tidegate.autoscale.rhythm import next_tick
from tidegate.autoscale.scaler import RevisionScaler
from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.link.gateway import Ack, FirstByte, FromGateway, Hello, Sample, Wake
from tidegate.model import serving_names as names
from tidegate.model.apps import Deployment
from tidegate.model.conditions import is_true
from tidegate.model.core import ConfigMap
from tidegate.model.meta import Key
from tidegate.model.pods import Pod
from tidegate.model.serving import PodAutoscaler
from tidegate.policy import kpa_spec
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.scaling import KpaSpec, Reachability

log = logging.getLogger(__name__)

PROBE_AGAIN_S = 1.0  # an activator that didn't answer is asked again after this

Poke = Callable[[Key], None]


class Autoscaler:
    """A controller of PodAutoscalers with a rhythm of its own. `poke` has one looked at."""

    name = "autoscaler"

    def __init__(
        self,
        api: Api,
        clock: Clock,
        config: ClusterConfig,
        *,
        boot: str,
        poke: Poke,
        gateway_answers: Callable[[], bool],
    ) -> None:
        self._api, self._clock, self._config = api, clock, config
        self._boot, self._poke, self._gateway_answers = boot, poke, gateway_answers
        self._reporter = Reporter(api, clock)
        self._scalers: dict[Key, RevisionScaler] = {}
        self._histories: dict[Key, History] = {}
        self._listening = False  # the gateway's kept samples have been taken in
        self.watches: Sequence[Watch] = (
            watch_self(PodAutoscaler),
            watch_mapped(Pod, _of_pod),
            watch_mapped(ConfigMap, self._of_config),
        )

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        """Cluster-wide settings concern everybody."""
        if config.metadata.namespace != names.SYSTEM_NAMESPACE:
            return ()
        return [autoscaler.key for autoscaler in self._api.list(PodAutoscaler)]

    # --- what the gateway tells

    def on_message(self, message: FromGateway) -> None:
        """A listener of `GatewayLink`."""
        match message:
            case Sample():
                self._on_sample(message)
            case Wake():
                self._on_wake(message)
            case FirstByte():
                self._on_first_byte(message)
            case Ack() if not self._listening:
                self._listening = True  # the gateway sends its kept samples before it acknowledges
                self._catch_up()
            case Hello():
                self._listening = False
                for scaler in self._scalers.values():
                    scaler.was_alone(message.alone_since_s)
            case _:
                pass

    @property
    def samples_since_s(self) -> float:
        """From where a reconnecting gateway should repeat its samples."""
        return min((s.last_sample_s for s in self._scalers.values()), default=0.0)

    def _on_sample(self, sample: Sample) -> None:
        key = _key(sample.revision)
        scaler = self._scaler(key)
        if scaler is None:
            return
        if scaler.behind and sample.replay:
            scaler.take_missed(sample, ready=self._ready(key))
            return
        if scaler.sample(sample):
            self._evaluate(key, scaler)

    def _on_wake(self, wake: Wake) -> None:
        key = _key(wake.revision)
        scaler = self._scaler(key)
        if scaler is None:
            return
        self._histories[key].asked(wake.at_s)
        if scaler.wake(wake.at_s):
            self._evaluate(key, scaler)

    def _catch_up(self) -> None:
        now_s = self._clock.monotonic()
        for key, scaler in self._scalers.items():
            if scaler.behind and scaler.caught_up(now_s, ready=self._ready(key)):
                self._poke(key)

    def _on_first_byte(self, first: FirstByte) -> None:
        key = _key(first.revision)
        history = self._histories.get(key)
        if history is not None and history.starting:
            history.reached(first.at_s, "first_byte_s")
            self._poke(key)

    # --- the rhythm

    async def run(self) -> None:
        """Evaluate every revision every two seconds (see `next_tick`) until cancelled."""
        while True:
            now_s = self._clock.monotonic()
            await self._clock.sleep(next_tick(now_s) - now_s)
            if not (self._listening and self._gateway_answers()):
                continue  # missing samples are not zero: without the gateway nothing is known
            now_s = self._clock.monotonic()
            for key, scaler in list(self._scalers.items()):
                if not scaler.is_silent(now_s):
                    self._evaluate(key, scaler)

    def _evaluate(self, key: Key, scaler: RevisionScaler) -> None:
        if scaler.evaluate(self._clock.monotonic(), ready=self._ready(key)):
            self._poke(key)

    # --- steps

    async def reconcile(self, key: Key) -> Next:
        autoscaler = self._api.get(PodAutoscaler, *key)
        if autoscaler is None or autoscaler.metadata.deletion_timestamp or is_hpa(autoscaler):
            self._scalers.pop(key, None)
            self._histories.pop(key, None)
            return Done()
        scaler = self._scaler(key)
        assert scaler is not None
        now_s = self._clock.monotonic()
        scaler.edit(self._spec(autoscaler), now_s)
        target = self._api.get(
            Deployment, key.namespace, autoscaler.spec.scale_target_ref.name or ""
        )
        if target is None:
            return Done()  # the revision controller makes it; its change brings us back
        ready, was = self._ready(key), target.spec.replicas
        result, status = scaler.step(
            now_s,
            ready=ready,
            replicas=was,
            gateway_answers=self._gateway_answers(),
        )
        history, told = self._histories[key], scaler.told(result, ready=ready, was=was)
        history.note(told)
        history.follow(self._pods(key))
        if result.scaled_to is not None:
            if was == 0:
                history.reached(now_s, "decided_s")
            spec = msgspec.structs.replace(target.spec, replicas=result.scaled_to)
            await self._api.update(msgspec.structs.replace(target, spec=spec))
            log.info("%s: %s -> %s: %s", key, was, result.scaled_to, told.message)
        said = self._reporter.status(autoscaler, status, history, scaler.saved(self._boot))
        await write_status(self._api, autoscaler, said)
        await self._reporter.events(autoscaler, said, result.scaled_to, told)
        waits = [result.requeue_after_s] if result.requeue_after_s is not None else []
        if result.probe_again:
            waits.append(PROBE_AGAIN_S)
        return Again(max(0.0, min(waits))) if waits else Done()

    def _scaler(self, key: Key) -> RevisionScaler | None:
        """The revision's scaler, made at first sight of its PodAutoscaler; None: it isn't there, or its
        replicas are somebody else's."""
        known = self._scalers.get(key)
        if known is not None:
            return known
        autoscaler = self._api.get(PodAutoscaler, *key)
        if autoscaler is None or is_hpa(autoscaler):
            return None
        scaler = RevisionScaler(
            key.name,
            self._spec(autoscaler),
            self._clock.monotonic(),
            ready=self._ready(key),
        )
        saved = autoscaler.status.scaler if autoscaler.status else None
        if saved is not None:
            scaler.restore(saved, self._boot, self._clock.monotonic())
        self._scalers[key] = scaler
        self._histories[key] = History(self._clock, autoscaler.status)
        return scaler

    def _spec(self, autoscaler: PodAutoscaler) -> KpaSpec:
        return kpa_spec(
            autoscaler.metadata.annotations,
            self._config.autoscaler(),
            self._config.deployment(),
            container_concurrency=autoscaler.spec.container_concurrency or 0,
            reachability=Reachability(autoscaler.spec.reachability or ""),
        )

    def _ready(self, key: Key) -> int:
        return sum(
            pod.metadata.deletion_timestamp is None
            and pod.status is not None
            and is_true(pod.status.conditions, "Ready")
            for pod in self._pods(key)
        )

    def _pods(self, key: Key) -> Sequence[Pod]:
        return self._api.list(Pod, key.namespace, labels={names.REVISION: key.name})


def _key(text: str) -> Key:
    namespace, _, name = text.partition("/")
    return Key(namespace, name)


def _of_pod(pod: Pod) -> Iterable[Key]:
    name = pod.metadata.labels.get(names.REVISION)
    if name:
        yield Key(pod.metadata.namespace or "", name)
