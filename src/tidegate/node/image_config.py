"""The user's own lines of the image table, from ConfigMap `tidegate-system/config-images`."""

from __future__ import annotations

from tidegate.client.api import Reader
from tidegate.model.core import ConfigMap
from tidegate.node.images import Runtime
from tidegate.policy.config_images import NAME, NAMESPACE, ImageEntry, parse_config_images
from tidegate.policy.errors import BadConfig


def is_image_table(config: ConfigMap) -> bool:
    return (config.metadata.namespace, config.metadata.name) == (NAMESPACE, NAME)


def configured_runtimes(reader: Reader) -> tuple[Runtime, ...]:
    """What it says now. A map that can't be read counts as empty: admission refuses such maps."""
    config = reader.get(ConfigMap, NAMESPACE, NAME)
    if config is None:
        return ()
    try:
        return tuple(_runtime(entry) for entry in parse_config_images(config.data))
    except BadConfig:
        return ()


def _runtime(entry: ImageEntry) -> Runtime:
    return Runtime(
        entry.repository,
        entry.command,
        tag=entry.tag,
        programs=entry.replaces,
        env=dict(entry.env),
        folder=entry.folder,
    )
