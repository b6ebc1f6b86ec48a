"""Every namespace has a ServiceAccount `default`, which pods without another one name.

Source: kubernetes pkg/controller/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.client.api import Api
from tidegate.model.accounts import ServiceAccount
from tidegate.model.core import Namespace
from tidegate.model.errors import AlreadyExists
from tidegate.model.meta import Key, ObjectMeta
from tidegate.reconcile import Done, Next, Watch, watch_mapped, watch_self

DEFAULT = "default"


class ServiceAccountController:
    """Creates it, again if somebody deletes it."""

    name = "serviceaccount"

    def __init__(self, api: Api) -> None:
        self._api = api
        self.watches: Sequence[Watch] = (
            watch_self(Namespace),
            watch_mapped(ServiceAccount, lambda a: (Key("", a.metadata.namespace or ""),)),
        )

    async def reconcile(self, key: Key) -> Next:
        namespace = self._api.get(Namespace, "", key.name)
        if namespace is None or namespace.metadata.deletion_timestamp:
            return Done()
        if self._api.get(ServiceAccount, key.name, DEFAULT) is None:
            meta = ObjectMeta(name=DEFAULT, namespace=key.name)
            try:
                await self._api.create(ServiceAccount(metadata=meta))
            except AlreadyExists:
                return Done()
        return Done()
