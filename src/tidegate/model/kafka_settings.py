"""What a KafkaSource's annotations, label and delivery ask for, as values. Pure.

Three families of annotations are read: ACK's (`k8s.aliyun.com/...`), Knative's for KEDA in today's
and in the older spelling, and ours (`tidegate.dev/...`). Nothing public documents ACK's: the meaning
is that of the names, and the interval between its retries does not grow.

Source: eventing-kafka-broker control-plane/pkg/autoscaler/autoscaler_api.go,
control-plane/pkg/reconciler/consumergroup (delivery defaults); eventing-autoscaler-keda (older names).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tidegate.kit.iso_duration import parse_iso_duration
from tidegate.model.kafka import KafkaSource
from tidegate.model.labels import dns1123_subdomain

ACK = "k8s.aliyun.com/"
DOMAIN, TIMEOUT, RETRIES, INTERVAL = (
    f"{ACK}{name}" for name in ("domain", "req-timeout", "retry-count", "retry-interval")
)
REPLY = "tidegate.dev/reply"  # a KafkaSink of the namespace, or a URL: where answers go
MAX_IN_FLIGHT = "tidegate.dev/max-in-flight"  # events at the sink at once, over all partitions

_NOW, _KEDA, _SERVING = (
    "autoscaling.eventing.knative.dev/",
    "keda.autoscaling.knative.dev/",
    "autoscaling.knative.dev/",
)
KEDA_CLASS, DISABLED = "keda.autoscaling.knative.dev", "disabled"
#: What is meant -> today's key, then the older ones.
_SCALING: Mapping[str, tuple[str, ...]] = {
    "class": (f"{_NOW}class", f"{_SERVING}class"),
    "min": (f"{_NOW}min-scale", f"{_SERVING}minScale", f"{_KEDA}minScale"),
    "max": (f"{_NOW}max-scale", f"{_SERVING}maxScale", f"{_KEDA}maxScale"),
    "polling": (f"{_NOW}polling-interval", f"{_KEDA}pollingInterval"),
    "cooldown": (f"{_NOW}cooldown-period", f"{_KEDA}cooldownPeriod"),
    "lag": (f"{_NOW}lag-threshold", f"{_KEDA}kafkaLagThreshold"),
    "activation": (f"{_NOW}activation-lag-threshold",),
}
_PREFIXES = (ACK, _NOW, _KEDA, _SERVING, "tidegate.dev/")
_URL = re.compile(r"https?://[^\s@/?#]+([/?#][!-~]*)?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Delivery:
    """`retries`: tries after the first. `policy` linear, exponential or constant. `retry_after_max_s`
    None: the sink's Retry-After is not looked at, as upstream."""

    retries: int = 10
    policy: str = "exponential"
    delay_s: float = 0.3
    timeout_s: float = 600.0
    retry_after_max_s: float | None = None


@dataclass(frozen=True, slots=True)
class SourceScaling:
    """Bounds of the consumers, times in seconds, lag in events."""

    low: int = 0
    high: int = 50
    polling_s: int = 10
    cooldown_s: int = 30
    lag: int = 100
    activation: int = 0


def delivery_of(source: KafkaSource) -> Delivery:
    """What an admitted source asks for: `spec.delivery`, then ACK's annotations, then the default."""
    default, notes = Delivery(), source.metadata.annotations
    said = source.spec.delivery
    growing = said is not None and (said.backoff_delay or said.backoff_policy)
    retries, timeout, wait = default.retries, default.timeout_s, default.delay_s
    policy = default.policy
    if RETRIES in notes:
        retries = int(notes[RETRIES])
    if TIMEOUT in notes:
        timeout = float(notes[TIMEOUT])
    if INTERVAL in notes and not growing:
        policy, wait = "constant", float(notes[INTERVAL])
    if said is None:
        return Delivery(retries, policy, wait, timeout)
    return Delivery(
        retries=retries if said.retry is None else said.retry,
        policy=said.backoff_policy or policy,
        delay_s=parse_iso_duration(said.backoff_delay) if said.backoff_delay else wait,
        timeout_s=parse_iso_duration(said.timeout) if said.timeout else timeout,
        retry_after_max_s=parse_iso_duration(said.retry_after_max)
        if said.retry_after_max
        else None,
    )


def scaling_of(annotations: Mapping[str, str]) -> SourceScaling | None:
    """What an admitted source asks of KEDA; None: its consumers are the user's."""
    class_ = _find(annotations, "class")
    if class_ is None or class_[1] != KEDA_CLASS:
        return None
    default = SourceScaling()

    def number(what: str, otherwise: int) -> int:
        found = _find(annotations, what)
        return otherwise if found is None else int(found[1])

    return SourceScaling(
        low=number("min", default.low),
        high=number("max", default.high),
        polling_s=number("polling", default.polling_s),
        cooldown_s=number("cooldown", default.cooldown_s),
        lag=number("lag", default.lag),
        activation=number("activation", default.activation),
    )


def _find(annotations: Mapping[str, str], what: str) -> tuple[str, str] | None:
    """The key in force and its value; an empty value counts as none, as upstream."""
    return next(((k, annotations[k]) for k in _SCALING[what] if annotations.get(k)), None)


# --- what is wrong with them


def wrong_annotations(annotations: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each as (key, value, why)."""
    for key, (holds, why) in _CHECKS.items():
        value = annotations.get(key)
        if value is not None and not holds(value):
            yield key, value, why
    class_ = _find(annotations, "class")
    if class_ is not None and class_[1] not in (KEDA_CLASS, DISABLED):
        yield *class_, f'no such class: "{KEDA_CLASS}" or "{DISABLED}"'
    numbers: dict[str, int] = {}
    for what in ("min", "max", "polling", "cooldown", "lag", "activation"):
        found = _find(annotations, what)
        if found is None:
            continue
        least = 1 if what in ("max", "polling", "lag") else 0
        if not _whole(found[1], least):
            yield *found, f"must be a whole number from {least} on"
        else:
            numbers[what] = int(found[1])
    low, high = numbers.get("min", 0), numbers.get("max", SourceScaling().high)
    if low > high:
        found = _find(annotations, "min") or _find(annotations, "max")
        if found is not None:
            yield *found, f"the least number of consumers ({low}) is more than the most ({high})"


def annotation_notes(source: KafkaSource) -> Iterator[tuple[str, str]]:
    """Annotations that have no effect, each as (key, why)."""
    annotations, delivery = source.metadata.annotations, source.spec.delivery
    for key, field, goes_before in (
        (RETRIES, "retry", delivery is not None and delivery.retry is not None),
        (TIMEOUT, "timeout", delivery is not None and delivery.timeout is not None),
        (
            INTERVAL,
            "backoffDelay",
            delivery is not None and bool(delivery.backoff_delay or delivery.backoff_policy),
        ),
    ):
        if key in annotations and goes_before:
            yield key, f"spec.delivery.{field} goes before it, it has no effect"
    scaled = scaling_of(annotations) is not None
    of_scaling = {key: what for what, keys in _SCALING.items() for key in keys}
    for key in sorted(annotations):
        what = of_scaling.get(key)
        if what is not None:
            found = _find(annotations, what)
            if found is not None and found[0] != key:
                yield key, f"{found[0]} goes before it, it has no effect"
            elif what != "class" and not scaled:
                yield key, f"has no effect without {_NOW}class: {KEDA_CLASS}"
        elif key.startswith(_PREFIXES) and key not in _CHECKS and key not in _WRITTEN_HERE:
            yield key, "no such annotation of a KafkaSource here, it has no effect"
    if scaled and source.spec.consumers not in (None, 1):
        yield f"{_NOW}class", "spec.consumers is set by the lag from now on"


def _whole(text: str, least: int) -> bool:
    return text.isdecimal() and least <= int(text) < 2**31


def _seconds(text: str, *, zero: bool) -> bool:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        return False
    return zero or float(text) > 0


def _is_reply(text: str) -> bool:
    if "://" in text:
        return bool(_URL.fullmatch(text))
    return not dns1123_subdomain(text)


_Check = tuple[Callable[[str], bool], str]
_CHECKS: Mapping[str, _Check] = {
    DOMAIN: (lambda text: bool(_HOST.fullmatch(text)), "must be a host, such as web.default.svc"),
    TIMEOUT: (lambda text: _seconds(text, zero=False), "must be seconds, more than 0"),
    RETRIES: (lambda text: _whole(text, 0), "must be a whole number from 0 on"),
    INTERVAL: (lambda text: _seconds(text, zero=True), "must be seconds"),
    REPLY: (_is_reply, "must be the name of a KafkaSink or an http(s) URL"),
    MAX_IN_FLIGHT: (lambda text: _whole(text, 1), "must be a whole number from 1 on"),
}
_WRITTEN_HERE = {"tidegate.dev/v1alpha1-text"}
