"""core/v1 ResourceQuota and LimitRange: how much a namespace may have, and each container in it."""

from __future__ import annotations

from typing import Any

from tidegate.model.meta import Object
from tidegate.model.wire import QuantityText, Wire

Amounts = dict[str, QuantityText]


class ResourceQuotaSpec(Wire, frozen=True, kw_only=True):
    """`scopes`: only pods of all these sorts count. `scope_selector` is refused by admission."""

    hard: Amounts = {}
    scopes: tuple[str, ...] = ()
    scope_selector: Any = None


class ResourceQuotaStatus(Wire, frozen=True, kw_only=True):
    hard: Amounts = {}
    used: Amounts = {}


class ResourceQuota(Object, frozen=True, kw_only=True):
    spec: ResourceQuotaSpec = ResourceQuotaSpec()
    status: ResourceQuotaStatus | None = None


class LimitRangeItem(Wire, frozen=True, kw_only=True):
    """`type`: Container, Pod or PersistentVolumeClaim. Defaults are for containers only."""

    type: str = ""
    max: Amounts = {}
    min: Amounts = {}
    default: Amounts = {}
    default_request: Amounts = {}
    max_limit_request_ratio: Amounts = {}


class LimitRangeSpec(Wire, frozen=True, kw_only=True):
    limits: tuple[LimitRangeItem, ...] = ()


class LimitRange(Object, frozen=True, kw_only=True):
    spec: LimitRangeSpec = LimitRangeSpec()
