"""Requests and limits: quantities that parse, requests within limits.

Source: kubernetes pkg/apis/core/validation/validation.go (`ValidateContainerResourceRequirements`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tidegate.kit.quantity import BadQuantity, parse_quantity
from tidegate.model import labels
from tidegate.model.admission.problems import (
    AT_LEAST_0,
    Problems,
    each_invalid,
    invalid,
    required,
)
from tidegate.model.containers import ResourceRequirements
from tidegate.model.wire import QuantityText

_NOT_A_QUANTITY = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES = "hugepages-"


def check_resources(wanted: ResourceRequirements | None, path: str) -> Problems:
    """`path` is that of the `resources` field."""
    if wanted is None:
        return []
    found = check_quantities(wanted.limits, f"{path}.limits", of_container=True)
    found += check_quantities(wanted.requests, f"{path}.requests", of_container=True)
    if found:
        return found
    for name, text in wanted.requests.items():
        limit = wanted.limits.get(name)
        if limit is None:
            if not may_be_overcommitted(name):
                detail = "Limit must be set for non overcommitable resources"
                found.append(required(f"{path}.limits", detail))
            continue
        asked, most = parse_quantity(text), parse_quantity(limit)
        if asked != most and not may_be_overcommitted(name):
            detail = f"must be equal to {name} limit of {limit}"
            found.append(invalid(f"{path}.requests", str(text), detail))
        elif asked > most:
            detail = f"must be less than or equal to {name} limit of {limit}"
            found.append(invalid(f"{path}.requests", str(text), detail))
    return found


def check_quantities(
    values: Mapping[str, QuantityText], path: str, *, of_container: bool = False
) -> Problems:
    """Names and quantities of a resource list, such as a node's capacity."""
    found: Problems = []
    for name, text in values.items():
        here = f"{path}[{name}]"
        if of_container:
            found += _check_name(name, here)
        quantity = _quantity(text)
        if quantity is None:
            found.append(invalid(here, str(text), _NOT_A_QUANTITY))
        elif quantity < 0:
            found.append(invalid(here, str(text), AT_LEAST_0))
        elif not may_be_overcommitted(name) and quantity % 1:
            found.append(invalid(here, str(text), "must be an integer"))
    return found


def check_quantity(text: QuantityText | None, path: str) -> Problems:
    """One quantity that isn't negative, such as a volume's size."""
    if text is None:
        return []
    quantity = _quantity(text)
    if quantity is None:
        return [invalid(path, str(text), _NOT_A_QUANTITY)]
    return [invalid(path, str(text), AT_LEAST_0)] if quantity < 0 else []


def may_be_overcommitted(name: str) -> bool:
    """False for devices (`nvidia.com/gpu`, `aliyun.com/gpu-mem`) and huge pages: they are had whole
    or not at all, so that request and limit must be equal."""
    return is_native(name) and not name.startswith(_HUGE_PAGES)


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _check_name(name: str, path: str) -> Problems:
    found = each_invalid(path, name, labels.qualified_name(name))
    if found:
        return found
    if "/" not in name and name not in _OF_CONTAINERS and not name.startswith(_HUGE_PAGES):
        return each_invalid(
            path,
            name,
            (
                "must be a standard resource type or fully qualified",
                "must be a standard resource for containers",
            ),
        )
    if not is_native(name) and name.startswith("requests."):
        return [invalid(path, name, "doesn't follow extended resource name standard")]
    return []


def _quantity(text: QuantityText) -> Decimal | None:
    try:
        return parse_quantity(text)
    except BadQuantity:
        return None
