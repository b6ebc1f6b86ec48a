"""Our annotations on a Service's or Route's own metadata: sticky splits, shadow traffic, judged
rollouts. A cluster ignores them.

```text
tidegate.dev/sticky: header=NAME | cookie=NAME | header=NAME,cookie=NAME
tidegate.dev/shadow: REVISION=10%[, REVISION=5%]
tidegate.dev/promote: "true" | steps=5,25,50; requests=500; step=30s; limit=30m; latency=10%
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tidegate.model.field_errors import FieldError
from tidegate.policy.go_values import BadValue, parse_float, parse_int, parse_seconds
from tidegate.scaling.errors import BadSpec
from tidegate.scaling.judged_rollout import PromoteSpec

Value = TypeVar("Value")

STICKY = "tidegate.dev/sticky"
SHADOW = "tidegate.dev/shadow"
PROMOTE = "tidegate.dev/promote"

# Names of headers and cookies: RFC 9110 token.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class StickyBy:
    """Requests with the same value stay with the same revision. None: not by that."""

    header: str | None = None
    cookie: str | None = None


def sticky_of(annotations: Mapping[str, str]) -> StickyBy | None:
    """None: not asked for. Raises `BadValue`."""
    text = annotations.get(STICKY)
    if text is None:
        return None
    found = _pairs(text, ",", ("header", "cookie"), "header=NAME or cookie=NAME")
    for name in found.values():
        if not _TOKEN.fullmatch(name):
            raise BadValue(f"{name!r} is no name of a header or cookie")
    if not found:
        raise BadValue("say header=NAME or cookie=NAME")
    return StickyBy(found.get("header"), found.get("cookie"))


def shadow_of(annotations: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """(revision, percent) of each shadow. Raises `BadValue`."""
    text = annotations.get(SHADOW)
    if text is None:
        return ()
    found = _pairs(text, ",", None, "REVISION=10%")
    if not found:
        raise BadValue("say REVISION=10%")
    return tuple((name, _percent(share)) for name, share in found.items())


def promotion_of(annotations: Mapping[str, str]) -> PromoteSpec | None:
    """None: traffic moves without a judge. Raises `BadValue`."""
    text = annotations.get(PROMOTE, "false").strip()
    if text.lower() in ("true", "false", ""):
        return PromoteSpec() if text.lower() == "true" else None
    found = _pairs(
        text, ";", ("steps", "requests", "step", "limit", "latency"), '"true" or steps=5,25,50; ...'
    )
    default = PromoteSpec()
    steps, latency = found.get("steps"), found.get("latency")
    try:
        return PromoteSpec(
            steps=default.steps
            if steps is None
            else tuple(_percent(step) for step in steps.split(",")),
            least_requests=_given(found, "requests", parse_int, default.least_requests),
            step_s=_given(found, "step", parse_seconds, default.step_s),
            limit_s=_given(found, "limit", parse_seconds, default.limit_s),
            latency_tolerance=default.latency_tolerance
            if latency is None
            else parse_float(latency.removesuffix("%")) / 100,
        )
    except BadSpec as why:
        raise BadValue(str(why)) from why


def validate_route_annotations(annotations: Mapping[str, str]) -> list[FieldError]:
    """All that is wrong with them. Paths are bare keys."""
    return list(_problems(annotations))


def _problems(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    for key, parse in ((STICKY, sticky_of), (SHADOW, shadow_of), (PROMOTE, promotion_of)):
        try:
            parse(annotations)
        except BadValue as why:
            yield FieldError(f"invalid value: {annotations[key]}", (key,), str(why))


def _pairs(text: str, between: str, keys: tuple[str, ...] | None, form: str) -> dict[str, str]:
    """`form`: what should have been written, for whoever wrote something else."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(between))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value:
            raise BadValue(f"{part!r} is not NAME=VALUE: say {form}")
        if keys is not None and key not in keys:
            raise BadValue(f"{key!r} is none of {', '.join(keys)}")
        if key in found:
            raise BadValue(f"{key!r} is there twice")
        found[key] = value
    return found


def _percent(text: str) -> int:
    percent = parse_int(text.strip().removesuffix("%"))
    if not 0 <= percent <= 100:
        raise BadValue(f"{text.strip()} is not from 0% to 100%")
    return percent


def _given(
    found: Mapping[str, str], key: str, parse: Callable[[str], Value], default: Value
) -> Value:
    return parse(found[key]) if key in found else default
