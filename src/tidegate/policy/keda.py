"""Triggers of a ScaledObject as values, and the names of their metrics.

Source: keda pkg/scalers/{cron,prometheus,cpu_memory}_scaler.go, scalersconfig.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tidegate.kit.schedule import BadSchedule, parse_five_fields
from tidegate.model.keda import KedaTrigger, ScaledObject
from tidegate.policy.keda_kafka import KafkaTrigger, kafka_name, read_kafka
from tidegate.policy.keda_metadata import BadTrigger, decimal, needed, only, quantity
from tidegate.scaling.keda import CronTrigger, Fallback, FallbackTo

__all__ = [
    "LABEL",
    "BadTrigger",
    "CronTrigger",
    "KafkaTrigger",
    "PrometheusTrigger",
    "ResourceTrigger",
    "Trigger",
    "fallback_of",
    "metric_name",
    "read_trigger",
    "share_milli",
]

LABEL = "scaledobject.keda.sh/name"
_KAFKA = ("kafka", "apache-kafka")
_SUPPORTED = ("cron", "cpu", "memory", "prometheus", *_KAFKA)
_UTILIZATION, _AVERAGE, _VALUE = "Utilization", "AverageValue", "Value"


@dataclass(frozen=True, slots=True)
class ResourceTrigger:
    """`kind` Utilization (percent) or AverageValue (a quantity). `container` None: the whole pod."""

    resource: str
    kind: str
    target: str
    container: str | None


@dataclass(frozen=True, slots=True)
class PrometheusTrigger:
    """`threshold` and `activation` in the query's own unit. `ignore_null`: no value reads as 0."""

    server: str
    query: str
    threshold: Decimal
    activation: Decimal
    kind: str
    ignore_null: bool


Trigger = ResourceTrigger | PrometheusTrigger | CronTrigger | KafkaTrigger


def read_trigger(trigger: KedaTrigger) -> Trigger:
    """Raises `BadTrigger`."""
    if trigger.type not in _SUPPORTED:
        raise BadTrigger("type", f'"{trigger.type}": served here are {", ".join(_SUPPORTED)}')
    if trigger.type in _KAFKA:
        return read_kafka(trigger)
    if trigger.authentication_ref is not None:
        raise BadTrigger("authenticationRef", "not honoured here but for kafka")
    match trigger.type:
        case "cron":
            return _cron(trigger.metadata)
        case "prometheus":
            return _prometheus(trigger)
        case _:
            return _resource(trigger)


def _cron(metadata: Mapping[str, str]) -> CronTrigger:
    only(metadata, ("timezone", "start", "end", "desiredReplicas"))
    name = needed(metadata, "timezone")
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as why:
        raise BadTrigger(
            "metadata.timezone", f'"{name}" is no time zone such as Asia/Shanghai'
        ) from why
    schedules = []
    for key in ("start", "end"):
        try:
            schedules.append(parse_five_fields(needed(metadata, key), zone))
        except BadSchedule as why:
            raise BadTrigger(f"metadata.{key}", f'"{metadata[key]}": {why}') from why
    if schedules[0].cron == schedules[1].cron:
        raise BadTrigger("metadata.end", "start and end can not have exactly same time input")
    wanted = needed(metadata, "desiredReplicas")
    if not wanted.isdigit():
        raise BadTrigger("metadata.desiredReplicas", f'"{wanted}" is no whole number')
    return CronTrigger(schedules[0], schedules[1], int(wanted))


def _prometheus(trigger: KedaTrigger) -> PrometheusTrigger:
    metadata = trigger.metadata
    known = ("serverAddress", "query", "threshold", "activationThreshold", "ignoreNullValues")
    only(metadata, (*known, "metricName"))
    server = needed(metadata, "serverAddress").rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise BadTrigger("metadata.serverAddress", f'"{server}" is no http(s) address')
    kind = trigger.metric_type or _AVERAGE
    if kind not in (_AVERAGE, _VALUE):
        raise BadTrigger("metricType", f'"{kind}": {_AVERAGE} or {_VALUE}')
    threshold = decimal(metadata, "threshold", None)
    if threshold <= 0:
        raise BadTrigger("metadata.threshold", "must be greater than 0")
    return PrometheusTrigger(
        server=server,
        query=needed(metadata, "query"),
        threshold=threshold,
        activation=decimal(metadata, "activationThreshold", "0"),
        kind=kind,
        ignore_null=metadata.get("ignoreNullValues", "true").lower() != "false",
    )


def _resource(trigger: KedaTrigger) -> ResourceTrigger:
    metadata = trigger.metadata
    only(metadata, ("type", "value", "containerName", "activationValue"))
    kind = trigger.metric_type or metadata.get("type") or _UTILIZATION
    value = needed(metadata, "value")
    if kind == _UTILIZATION:
        if not value.isdigit() or int(value) < 1:
            raise BadTrigger("metadata.value", f'"{value}" is no percentage')
    elif kind == _AVERAGE:
        quantity("value", value)
    else:
        raise BadTrigger("metricType", f'"{kind}": {_UTILIZATION} or {_AVERAGE}')
    return ResourceTrigger(trigger.type, kind, value, metadata.get("containerName"))


def fallback_of(scaled: ScaledObject) -> Fallback | None:
    """What a (checked) ScaledObject says for triggers that can't be read; None: nothing."""
    said = scaled.spec.fallback
    if said is None:
        return None
    to = FallbackTo(said.behavior or FallbackTo.STATIC.value)
    return Fallback(said.failure_threshold, said.replicas, to)


def share_milli(trigger: Trigger) -> int | None:
    """The value in thousandths that stands for one replica; None: its values aren't shared, or an HPA
    reads them itself, and there is nothing to fall back to."""
    match trigger:
        case PrometheusTrigger() if trigger.kind == _AVERAGE:
            return ceil(trigger.threshold * 1000)
        case KafkaTrigger() if trigger.kind == _AVERAGE:
            return trigger.rule.threshold * 1000
        case _:
            return None


def metric_name(index: int, trigger: KedaTrigger) -> str:
    """`s0-prometheus`, `s1-cron-Asia-Shanghai-08xxx-020xxx`: as an HPA names an external metric."""
    name = trigger.type
    if trigger.type == "cron":
        parts = (trigger.metadata.get(key, "") for key in ("timezone", "start", "end"))
        name = "-".join(("cron", *(_cron_text(part) for part in parts)))
    elif trigger.type in _KAFKA:
        name = kafka_name(trigger.metadata)
    return f"s{index}-{re.sub(r'[/:.%()]', '-', name)}"


def _cron_text(line: str) -> str:
    return line.replace("*", "x").replace("?", "Qm").replace(" ", "")
