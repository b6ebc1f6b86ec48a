"""What LimitRanges fill into a new pod, and whether it keeps to them. Pure.

Source: kubernetes plugin/pkg/admission/limitranger/admission.go, pkg/apis/core/v1/defaults.go
(`SetDefaults_LimitRangeItem`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tidegate.kit.quantity import parse_quantity
from tidegate.model.containers import Container, ResourceRequirements
from tidegate.model.meta import Object, touched
from tidegate.model.pods import Pod
from tidegate.model.quota_usage import pod_amounts
from tidegate.model.quotas import LimitRange, LimitRangeItem
from tidegate.model.storage import PersistentVolumeClaim

CONTAINER, POD, CLAIM = "Container", "Pod", "PersistentVolumeClaim"
TYPES = (CONTAINER, POD, CLAIM)
ANNOTATION = "kubernetes.io/limit-ranger"


@dataclass(frozen=True, slots=True)
class _Said:
    """What something asks for; texts as they are written."""

    requests: Mapping[str, Any]
    limits: Mapping[str, Any]


def with_defaults(item: LimitRangeItem) -> LimitRangeItem:
    """What is left out follows from the rest: a default limit from the maximum, a default request
    from the default limit, else from the minimum. Of containers only."""
    if item.type != CONTAINER:
        return item
    default = {**item.max, **item.default}
    return replace(
        item, default=default, default_request={**item.min, **default, **item.default_request}
    )


def filled(pod: Pod, ranges: Iterable[LimitRange]) -> Pod:
    """A new pod with the requests and limits that its containers don't say; an annotation tells which."""
    limits, requests = dict[str, Any](), dict[str, Any]()
    for item in _items(ranges, CONTAINER):
        limits = {**item.default, **limits}
        requests = {**item.default_request, **requests}
    notes: list[str] = []
    spec = replace(
        pod.spec,
        containers=_each(pod.spec.containers, "container", limits, requests, notes),
        init_containers=_each(pod.spec.init_containers, "init container", limits, requests, notes),
    )
    if not notes:
        return pod
    said = {ANNOTATION: f"LimitRanger plugin set: {'; '.join(notes)}"}
    meta = touched(pod.metadata, annotations={**pod.metadata.annotations, **said})
    return replace(pod, metadata=meta, spec=spec)


def _each(
    containers: tuple[Container, ...],
    what: str,
    limits: Mapping[str, Any],
    requests: Mapping[str, Any],
    notes: list[str],
) -> tuple[Container, ...]:
    out = []
    for container in containers:
        own = container.resources or ResourceRequirements()
        # Kubernetes copies a limit that stands alone to the request before it comes here.
        asked = {**own.limits, **own.requests}
        new = {
            "request": requests.keys() - asked.keys(),
            "limit": limits.keys() - own.limits.keys(),
        }
        notes += [
            f"{', '.join(sorted(names))} {side} for {what} {container.name}"
            for side, names in new.items()
            if names
        ]
        if any(new.values()):
            both = {"limits": {**limits, **own.limits}, "requests": {**requests, **asked}}
            container = replace(container, resources=replace(own, **both))
        out.append(container)
    return tuple(out)


def beyond(obj: Object, ranges: Iterable[LimitRange]) -> list[str]:
    """In which ways a new object does not keep to the ranges, in Kubernetes' words."""
    ranges = tuple(ranges)
    if isinstance(obj, Pod):
        containers = (*obj.spec.containers, *obj.spec.init_containers)
        parts = [_said(container.resources) for container in containers]
        whole = _Said(pod_amounts(obj.spec, "requests"), pod_amounts(obj.spec, "limits"))
        checks = [(CONTAINER, part) for part in parts] + [(POD, whole)]
    elif isinstance(obj, PersistentVolumeClaim):
        checks = [(CLAIM, _said(obj.spec.resources))]
    else:
        return []
    return [
        problem
        for type_, said in checks
        for item in _items(ranges, type_)
        for problem in _broken(item, said)
    ]


def _broken(item: LimitRangeItem, said: _Said) -> Iterable[str]:
    for name, text in sorted(item.min.items()):
        asked = said.requests.get(name)
        base = f"minimum {name} usage per {item.type} is {text}"
        if asked is None:
            yield f"{base}. No request is specified"
        elif parse_quantity(asked) < parse_quantity(text):
            yield f"{base}, but request is {asked}"
    for name, text in sorted(item.max.items()):
        # A claim has no limit; what it asks for is what it gets.
        limit = (said.requests if item.type == CLAIM else said.limits).get(name)
        base = f"maximum {name} usage per {item.type} is {text}"
        if limit is None:
            yield f"{base}. No limit is specified"
        elif parse_quantity(limit) > parse_quantity(text):
            side = "request" if item.type == CLAIM else "limit"
            yield f"{base}, but {side} is {limit}"
    for name, text in sorted(item.max_limit_request_ratio.items()):
        yield from _ratio(item.type, name, parse_quantity(text), said)


def _ratio(type_: str, name: str, most: Decimal, said: _Said) -> Iterable[str]:
    request = parse_quantity(said.requests.get(name, 0))
    limit = parse_quantity(said.limits.get(name, 0))
    base = f"{name} max limit to request ratio per {type_} is {most}"
    if not request or not limit:
        missing = "request" if not request else "limit"
        yield f"{base}, but no {missing} is specified or {missing} is 0"
    elif limit / request > most:
        yield f"{base}, but provided ratio is {limit / request:.6f}"


def _said(resources: Any) -> _Said:
    if resources is None:
        return _Said({}, {})
    return _Said(resources.requests, getattr(resources, "limits", {}))


def _items(ranges: Iterable[LimitRange], type_: str) -> Iterable[LimitRangeItem]:
    return (item for limits in ranges for item in limits.spec.limits if item.type == type_)
