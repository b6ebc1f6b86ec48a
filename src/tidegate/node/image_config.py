"""The user's own lines of the image table, from ConfigMap `tidegate-system/config-images`."""

from __future__ import annotations

from dataclasses import replace

from tidegate.client.api import Reader
from tidegate.model.core import ConfigMap
from tidegate.node.image_table import Runtime
from tidegate.node.images import find_runtime
from tidegate.policy import config_containers
from tidegate.policy.config_images import NAME, NAMESPACE, ImageEntry, parse_config_images
from tidegate.policy.errors import BadConfig


def is_image_table(config: ConfigMap) -> bool:
    """Whether it decides which images can run here."""
    name = config.metadata.name
    return config.metadata.namespace == NAMESPACE and name in (NAME, config_containers.NAME)


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
    """Without a command of its own an entry adds to the table's line for the image, if it has one."""
    known = find_runtime(f"{entry.repository}:{entry.tag}") or Runtime(entry.repository)
    if entry.command:
        known = Runtime(entry.repository, entry.command)
    return replace(
        known,
        repository=entry.repository,
        tag=entry.tag,
        programs=(*known.programs, *entry.replaces),
        env={**known.env, **dict(entry.env)},
        folder=entry.folder,
        paths=dict(entry.paths),
    )
