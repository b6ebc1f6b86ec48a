"""Putting the ClusterServingRuntimes there that an installation of KServe has."""

from __future__ import annotations

from tidegate.client.api import Api
from tidegate.model.errors import AlreadyExists
from tidegate.model.kserve import ClusterServingRuntime
from tidegate.policy.kserve_builtin import BUILT_IN_RUNTIMES


async def ensure_runtimes(api: Api) -> None:
    """Create those that are missing; one that a user has changed stays as it is."""
    for runtime in BUILT_IN_RUNTIMES:
        name = runtime.metadata.name
        if api.get(ClusterServingRuntime, "", name) is not None:
            continue
        try:
            await api.create(runtime)
        except AlreadyExists:
            continue
