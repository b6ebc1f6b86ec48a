"""The ConfigMaps of settings: read by name; empty at first, there to be edited and patched, as on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tidegate.client.api import Api
from tidegate.model.core import ConfigMap
from tidegate.model.errors import AlreadyExists
from tidegate.model.meta import ObjectMeta
from tidegate.model.serving_names import SYSTEM_NAMESPACE
from tidegate.policy import (
    config_autoscaler,
    config_defaults,
    config_deployment,
    config_domain,
    config_gc,
    config_network,
)

NAMES = (
    config_autoscaler.NAME,
    config_defaults.NAME,
    config_deployment.NAME,
    config_domain.NAME,
    "config-features",
    config_gc.NAME,
    config_network.NAME,
)
_NOTHING: Mapping[str, str] = {}


async def ensure_settings(api: Api) -> None:
    """Create those that are missing. An empty map means the defaults, as a missing one does."""
    for name in NAMES:
        if api.get(ConfigMap, SYSTEM_NAMESPACE, name) is None:
            meta = ObjectMeta(name=name, namespace=SYSTEM_NAMESPACE)
            try:
                await api.create(ConfigMap(metadata=meta))
            except AlreadyExists:
                continue


class Gets(Protocol):
    """The API or the store: whatever has objects."""

    def get(self, type_: type[ConfigMap], namespace: str, name: str, /) -> ConfigMap | None: ...


def config_reader(source: Gets) -> Callable[[str], Mapping[str, str]]:
    """Reads the data of a ConfigMap, by `<namespace>/<name>` or by its name in knative-serving."""

    def read(name: str) -> Mapping[str, str]:
        namespace, _, bare = name.rpartition("/")
        found = source.get(ConfigMap, namespace or SYSTEM_NAMESPACE, bare)
        return found.data if found is not None else _NOTHING

    return read
