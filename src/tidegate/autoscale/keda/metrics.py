"""What the triggers of ScaledObjects say right now: for their HPAs, and for the way to and from zero."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.autoscale.hpa.fetch import Get, get
from tidegate.autoscale.hpa.prometheus import NoAnswer, query
from tidegate.autoscale.keda.lags import GroupLags
from tidegate.client.api import Reader
from tidegate.kit.clock import Clock
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import Key
from tidegate.policy.keda import (
    LABEL,
    BadTrigger,
    KafkaTrigger,
    PrometheusTrigger,
    ResourceTrigger,
    Trigger,
    metric_name,
    read_trigger,
)
from tidegate.scaling.hpa import ExternalReading, ReadFailed
from tidegate.scaling.keda import CronTrigger


class KedaMetrics:
    """Answers for external metrics that carry the label scaledobject.keda.sh/name."""

    def __init__(self, api: Reader, clock: Clock, lags: GroupLags, *, get_: Get = get) -> None:
        self._api, self._clock, self._lags, self._get = api, clock, lags, get_

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
                    return await self.value(read_trigger(written), scaled.key)
                except BadTrigger as why:
                    return ReadFailed(f"triggers[{index}].{why}")
        return ReadFailed(f'scaledobject "{name}" has no trigger with the metric {metric}')

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
