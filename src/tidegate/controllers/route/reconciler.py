"""What is read and written for one route, in which order.

What can't be resolved leaves the Ingress as it is: traffic that flows goes on flowing, and the
condition says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.route.ingress import Exposure, carry_ingress, desired_ingress
from tidegate.controllers.route.judged import (
    asked_for,
    held_back,
    judge,
    saved_trial,
    stage_of,
)
from tidegate.controllers.route.resolve import resolve
from tidegate.controllers.route.rollout import in_force, next_rollout, saved
from tidegate.controllers.route.shares import goal_of
from tidegate.controllers.route.status import plan_status
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.admission.knative import Features
from tidegate.model.core import ConfigMap
from tidegate.model.meta import Key
from tidegate.model.networking import Ingress
from tidegate.model.serving import Configuration, Revision, Route
from tidegate.model.traffic import TrafficReport
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.go_values import BadValue
from tidegate.policy.route_annotations import SHADOW, shadow_of
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status
from tidegate.scaling.gradual_rollout import Rollout
from tidegate.scaling.judged_rollout import Trial, Verdict

_CONFIGS = frozenset({"config-domain", "config-network", "config-features"})


class RouteController:
    """Keeps the Ingress of a Route in line with its traffic."""

    name = "route"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig) -> None:
        self._api, self._clock, self._config = api, clock, config
        self._events = EventRecorder(api, clock, "route")
        self._missing: dict[Key, frozenset[str]] = {}  # shadows that were said to be missing
        self.watches: Sequence[Watch] = (
            watch_self(Route),
            watch_owned(Ingress, "Route"),
            watch_mapped(Configuration, self._of_configuration),
            watch_mapped(Revision, self._of_revision),
            watch_mapped(ConfigMap, self._of_config),
        )

    def _of_config(self, config: ConfigMap) -> Iterable[Key]:
        """Another domain moves every route to another host."""
        if config.key.namespace != names.SYSTEM_NAMESPACE or config.key.name not in _CONFIGS:
            return ()
        return [route.key for route in self._api.list(Route)]

    def _of_configuration(self, configuration: Configuration) -> Iterable[Key]:
        namespace, name = configuration.key
        for route in self._api.list(Route, namespace, mentions=name):
            if any(t.configuration_name == name for t in route.spec.traffic):
                yield route.key

    def _of_revision(self, revision: Revision) -> Iterable[Key]:
        namespace, name = revision.key
        for route in self._api.list(Route, namespace, mentions=name):
            if any(t.revision_name == name for t in route.spec.traffic):
                yield route.key

    async def reconcile(self, key: Key) -> Next:
        route = self._api.get(Route, *key)
        if route is None or route.metadata.deletion_timestamp:
            self._missing.pop(key, None)
            return Done()
        seen = resolve(
            route,
            configuration=lambda name: self._api.get(Configuration, key.namespace, name),
            revision=lambda name: self._api.get(Revision, key.namespace, name),
        )
        exposure = self._exposure()
        if seen.problem is None:
            seen = replace(seen, problem=exposure.problem(route))
        now_s = self._clock.now()
        ingress = self._api.get(Ingress, *key)
        rollout, due_s = saved(ingress), None
        before = trial = saved_trial(ingress)
        if seen.problem is None:
            if asked_for(route) is None:
                trial = None
            seen = replace(seen, targets=held_back(seen.targets, trial, self._exists(key)))
            rollout, due_s = next_rollout(
                route,
                goal_of(seen.targets),
                ingress,
                default_s=exposure.network.rollout_duration_s,
                now_s=now_s,
                by_judge=asked_for(route) is not None,
            )
            rollout, due_s, trial = self._judged(route, ingress, rollout, due_s, trial)
            seen = replace(seen, targets=held_back(seen.targets, trial, self._exists(key)))
            desired = desired_ingress(route, seen.targets, rollout, exposure, trial)
            ingress = await ensure(self._api, desired, carry_ingress)
        status = plan_status(route, seen, ingress, rollout, exposure, trial, now_s=now_s)
        await self._tell(route, before, trial)
        await self._tell_of_shadows(route)
        await write_status(self._api, route, status)
        return Done() if due_s is None else Again(max(0.0, due_s - self._clock.now()))

    def _exists(self, route: Key) -> Callable[[str], bool]:
        return lambda name: self._api.get(Revision, route.namespace, name) is not None

    def _judged(
        self,
        route: Route,
        ingress: Ingress | None,
        rollout: Rollout,
        due_s: float | None,
        was: Trial | None,
    ) -> tuple[Rollout, float | None, Trial | None]:
        """With a judge where the route asks for one; it goes before the clock."""
        spec = asked_for(route)
        if spec is None or ingress is None:
            return rollout, due_s, None
        found = judge(
            spec,
            rollout,
            was,
            lambda name: self._api.get(TrafficReport, route.key.namespace, name),
            in_force=in_force(ingress),
            now_s=self._clock.now(),
        )
        return found.rollout, found.due_s, found.trial

    async def _tell(self, route: Route, was: Trial | None, trial: Trial | None) -> None:
        """An event for each step of a trial and for its end."""
        if trial is None or not trial.why or stage_of(was) == stage_of(trial):
            return
        reason = {
            Verdict.ROLLED_BACK: "RolledBack",
            Verdict.PROMOTED: "Promoted",
            Verdict.RUNNING: "Canary",
        }[trial.verdict]
        type_ = WARNING if trial.verdict is Verdict.ROLLED_BACK else NORMAL
        await self._events.emit(route, type_, reason, trial.why)

    async def _tell_of_shadows(self, route: Route) -> None:
        """A shadow that isn't there gets no copies: said once for each control plane."""
        try:
            wanted = shadow_of(route.metadata.annotations)
        except BadValue:
            return
        exists = self._exists(route.key)
        missing = frozenset(name for name, _ in wanted if not exists(name))
        said = self._missing.pop(route.key, frozenset())
        if missing:
            self._missing[route.key] = missing
        if missing - said:
            text = f"{SHADOW} copies requests to {', '.join(sorted(missing))}, which is not there"
            await self._events.emit(route, WARNING, "RevisionMissing", text)

    def _exposure(self) -> Exposure:
        features = Features(self._config.read("config-features"))
        return Exposure(
            self._config.domain(),
            self._config.network(),
            tag_header=features.enables("tag-header-based-routing"),
        )
