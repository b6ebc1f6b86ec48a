"""What the triggers of ScaledObjects say right now: for their HPAs, and for the way to and from zero."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.autoscale.hpa.fetch import Get, get
from tidegate.autoscale.hpa.prometheus import NoAnswer, query
from tidegate.autoscale.hpa.targets import find_scaled
from tidegate.autoscale.keda.document import target_of
from tidegate.autoscale.keda.health import Health
from tidegate.autoscale.keda.lags import GroupLags
from tidegate.client.api import Reader
from tidegate.kit.clock import Clock
from tidegate.model.errors import ApiError
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import Key
from tidegate.model.scale import scale_view
from tidegate.policy.keda import (
    LABEL,
    BadTrigger,
    KafkaTrigger,
    PrometheusTrigger,
    ResourceTrigger,
    Trigger,
    fallback_of,
    metric_name,
    read_trigger,
    share_milli,
)
from tidegate.scaling.hpa import ExternalReading, ReadFailed
from tidegate.scaling.keda import CronTrigger


class KedaMetrics:
    """Answers for external metrics that carry the label scaledobject.keda.sh/name."""

    def __init__(self, api: Reader, clock: Clock, lags: GroupLags, *, get_: Get = get) -> None:
        self._api, self._clock, self._lags, self._get = api, clock, lags, get_
        self.health = Health()

    @staticmethod
    def asked(labels: Mapping[str, str]) -> bool:
        return LABEL in labels

    async def external(
        self, metric: str, labels: Mapping[str, str], *, namespace: str
    ) -> ExternalReading | ReadFailed:
        """The trigger that this metric stands for."""
        name = labels[LABEL]
        scaled = self._api.get(ScaledObject, namespace, name)
        if scaled is None:
            return ReadFailed(f'scaledobjects.keda.sh "{name}" not found')
        for index, written in enumerate(scaled.spec.triggers):
            if metric_name(index, written) == metric:
                try:
                    trigger = read_trigger(written)
                except BadTrigger as why:
                    return ReadFailed(f"triggers[{index}].{why}")
                return await self._or_fallback(scaled, metric, trigger)
        return ReadFailed(f'scaledobject "{name}" has no trigger with the metric {metric}')

    async def _or_fallback(
        self, scaled: ScaledObject, metric: str, trigger: Trigger
    ) -> ExternalReading | ReadFailed:
        """Where the ScaledObject says what to do for want of a value, that instead of a failure."""
        read = await self.value(trigger, scaled.key)
        failures = self.health.heard(scaled, metric, failed=isinstance(read, ReadFailed))
        fallback, one = fallback_of(scaled), share_milli(trigger)
        if not isinstance(read, ReadFailed) or fallback is None or one is None:
            return read
        if not fallback.holds(failures):
            return read
        try:
            target = find_scaled(self._api, scaled.metadata.namespace or "", target_of(scaled))
        except ApiError:
            return read
        return ExternalReading((one * fallback.size(scale_view(target).replicas),))

    async def value(self, trigger: Trigger, of: Key) -> ExternalReading | ReadFailed:
        """In thousandths, for the ScaledObject `of`. A resource trigger is no external metric."""
        if isinstance(trigger, CronTrigger):
            return ExternalReading((trigger.value(self._clock.now()) * 1000,))
        if isinstance(trigger, KafkaTrigger):
            lag = await self._lags.of(trigger, of)
            return lag if isinstance(lag, ReadFailed) else ExternalReading((lag.events * 1000,))
        assert isinstance(trigger, PrometheusTrigger)
        try:
            values = await query(trigger.server, trigger.query, get_=self._get)
        except NoAnswer as why:
            return ReadFailed(str(why))
        if len(values) > 1:
            return ReadFailed(f"prometheus query {trigger.query} returned multiple elements")
        if not values:
            if trigger.ignore_null:
                return ExternalReading((0,))
            return ReadFailed(f"prometheus query {trigger.query} returned no value")
        return ExternalReading((values[0].milli,))

    async def active(self, trigger: Trigger, of: Key) -> bool | ReadFailed | None:
        """Whether the trigger asks for pods, or why it could not be asked; None: it can't say
        (resources can't, at zero there are none to measure)."""
        if isinstance(trigger, ResourceTrigger):
            return None
        if isinstance(trigger, CronTrigger):
            return trigger.active(self._clock.now())
        if isinstance(trigger, KafkaTrigger):
            lag = await self._lags.of(trigger, of)
            return lag if isinstance(lag, ReadFailed) else lag.waiting > trigger.rule.activation
        reading = await self.value(trigger, of)
        if isinstance(reading, ReadFailed):
            return reading
        return reading.milli[0] > trigger.activation * 1000
