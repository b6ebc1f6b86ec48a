"""KServe's init container `storage-initializer`: what it fetches, read off its document. Pure.

Source: kserve python/storage-initializer (arguments: pairs of URI and folder).
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.model.containers import Container
from tidegate.model.kserve_names import STORAGE_INITIALIZER
from tidegate.policy.storage_access import BadAccess


def is_initializer(container: Container) -> bool:
    """Whether its image is KServe's (whatever the registry and tag) and started as it is."""
    repository = (container.image or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    return repository == STORAGE_INITIALIZER and not container.command


def downloads_of(container: Container) -> tuple[tuple[str, str], ...]:
    """URIs and the folders they go to. Raises `BadAccess`."""
    args = container.args
    if not args or len(args) % 2:
        raise BadAccess(
            f"container {container.name}: args must be pairs of a URI and a folder, as KServe's storage "
            "initializer has them"
        )
    return tuple(zip(args[::2], args[1::2], strict=True))


def plain_environment(
    container: Container, secret_value: Callable[[str, str], str | None]
) -> dict[str, str]:
    """Its variables, as far as they are values or keys of Secrets: all that a fetch ahead of the pod can
    know. `secret_value`: of a Secret's name and key; None: not there."""
    env: dict[str, str] = {}
    for var in container.env:
        ref = var.value_from.secret_key_ref if var.value_from is not None else None
        value = var.value if ref is None else secret_value(ref.name, ref.key)
        if value is not None:
            env[var.name] = value
    return env
