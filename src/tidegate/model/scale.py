"""How many replicas an object of any kind that has a scale asks for, has, and by which pods. Pure.

The scale subresource of the API and the autoscalers see objects through this.
Source: k8s.io/api autoscaling/v1 (Scale).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from tidegate.model.kafka import KafkaSource
from tidegate.model.kinds import kind_of
from tidegate.model.label_text import selector_text
from tidegate.model.meta import Object

T = TypeVar("T", bound=Object)


@dataclass(frozen=True, slots=True)
class ScaleView:
    """`replicas`: wished. `observed`: there, as the status says. `selector`: of the pods, as text;
    empty when the object names none."""

    replicas: int
    observed: int
    selector: str


def scale_view(obj: Object) -> ScaleView:
    """The scale of an object whose kind has one."""
    if isinstance(obj, KafkaSource):
        return _consumers(obj)
    spec, status = getattr(obj, "spec", None), getattr(obj, "status", None)
    selector = getattr(spec, "selector", None)
    text = selector_text(selector) if selector is not None else ""
    return ScaleView(_count(spec, default=1), _observed(status), text)


def with_replicas(obj: T, replicas: int) -> T:
    """The object with another wish."""
    assert kind_of(obj).has_scale
    spec: Any = getattr(obj, "spec", None)
    field = "consumers" if isinstance(obj, KafkaSource) else "replicas"
    changed: Any = {"spec": msgspec.structs.replace(spec, **{field: replicas})}
    return msgspec.structs.replace(obj, **changed)


def _consumers(source: KafkaSource) -> ScaleView:
    """A source's replicas have a name of their own, and its status says the selector."""
    wished, status = source.spec.consumers, source.status
    return ScaleView(
        1 if wished is None else wished,
        (status.consumers or 0) if status else 0,
        (status.selector or "") if status else "",
    )


def _observed(status: Any) -> int:
    # Fluid's runtimes count workers under a name of their own.
    workers = getattr(status, "current_worker_number_scheduled", None)
    return _count(status, default=0) if workers is None else int(workers)


def _count(part: Any, *, default: int) -> int:
    replicas = getattr(part, "replicas", None)
    return default if replicas is None else int(replicas)
