"""ResourceQuota and LimitRange: what they may say.

Source: kubernetes pkg/apis/core/validation/validation.go (`ValidateResourceQuota`, `ValidateLimitRange`).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from tidegate.kit.quantity import parse_quantity
from tidegate.model import labels
from tidegate.model.admission.problems import (
    IMMUTABLE,
    Problems,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
)
from tidegate.model.admission.resources import check_quantities
from tidegate.model.limit_ranges import CONTAINER, TYPES, with_defaults
from tidegate.model.quota_usage import SCOPES
from tidegate.model.quotas import LimitRange, LimitRangeItem, ResourceQuota


def check_quota(quota: ResourceQuota) -> Problems:
    found = check_quantities(quota.spec.hard, "spec.hard")
    for name in quota.spec.hard:
        found += each_invalid(f"spec.hard[{name}]", name, labels.qualified_name(name))
    for place, scope in enumerate(quota.spec.scopes):
        if scope not in SCOPES:
            found.append(not_supported(f"spec.scopes[{place}]", scope, SCOPES))
    for one, other in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if {one, other} <= set(quota.spec.scopes):
            found.append(invalid("spec.scopes", list(quota.spec.scopes), "conflicting scopes"))
    if quota.spec.scope_selector is not None:
        found.append(
            forbidden("spec.scopeSelector", "not honoured here: use spec.scopes, or no scope")
        )
    return found


def check_quota_change(quota: ResourceQuota, old: ResourceQuota) -> Problems:
    if sorted(quota.spec.scopes) != sorted(old.spec.scopes):
        return [invalid("spec.scopes", list(quota.spec.scopes), IMMUTABLE)]
    return []


def default_limit_range(limits: LimitRange, old: LimitRange | None) -> LimitRange:
    items = tuple(map(with_defaults, limits.spec.limits))
    return replace(limits, spec=replace(limits.spec, limits=items))


def check_limit_range(limits: LimitRange) -> Problems:
    found: Problems = []
    for place, item in enumerate(limits.spec.limits):
        path = f"spec.limits[{place}]"
        if not item.type:
            found.append(required(f"{path}.type"))
        elif item.type not in TYPES:
            found.append(not_supported(f"{path}.type", item.type, TYPES))
        found += _check_item(item, path)
    return found


def _check_item(item: LimitRangeItem, path: str) -> Problems:
    sides = {
        "max": item.max,
        "min": item.min,
        "default": item.default,
        "defaultRequest": item.default_request,
        "maxLimitRequestRatio": item.max_limit_request_ratio,
    }
    found: Problems = []
    for name, amounts in sides.items():
        found += check_quantities(amounts, f"{path}.{name}")
        if amounts and name.startswith("default") and item.type != CONTAINER:
            found.append(
                forbidden(f"{path}.{name}", f"may not be specified when `type` is '{item.type}'")
            )
    if found:
        return found
    order = (("min", "max"), ("min", "defaultRequest"), ("min", "default"), ("defaultRequest", "default"),
             ("defaultRequest", "max"), ("default", "max"))  # fmt: skip
    for less, more in order:
        found += _in_order(path, less, sides[less], more, sides[more])
    return found


def _in_order(
    path: str, less: str, small: Mapping[str, object], more: str, great: Mapping[str, object]
) -> Problems:
    return [
        invalid(
            f"{path}.{less}[{name}]",
            str(small[name]),
            f"{less} value {small[name]} is greater than {more} value {great[name]}",
        )
        for name in sorted(small.keys() & great.keys())
        if parse_quantity(str(small[name])) > parse_quantity(str(great[name]))
    ]
