"""Keeps `status.used` of ResourceQuotas; refusing what is too much is admission's business.

Source: kubernetes pkg/controller/resourcequota.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.client.api import Api
from tidegate.model.kinds import KINDS
from tidegate.model.meta import Key, Object
from tidegate.model.quota_usage import amount_text, counted_types, used
from tidegate.model.quotas import ResourceQuota, ResourceQuotaStatus
from tidegate.reconcile import Done, Next, Watch, watch_mapped
from tidegate.reconcile.apply import write_status


class QuotaController:
    """The one writer of a quota's status."""

    name = "quota"

    def __init__(self, api: Api) -> None:
        self._api = api
        self.watches: Sequence[Watch] = tuple(
            watch_mapped(kind.type, self._of_object) for kind in KINDS if kind.namespaced
        )

    def _of_object(self, obj: Object) -> Iterable[Key]:
        return [quota.key for quota in self._api.list(ResourceQuota, obj.metadata.namespace)]

    async def reconcile(self, key: Key) -> Next:
        quota = self._api.get(ResourceQuota, *key)
        if quota is None:
            return Done()
        counted = (o for t in counted_types(quota) for o in self._api.list(t, key.namespace))
        total = used(quota, counted)
        status = ResourceQuotaStatus(
            hard=quota.spec.hard,
            used={name: amount_text(quota, name, total[name]) for name in quota.spec.hard},
        )
        await write_status(self._api, quota, status)
        return Done()
