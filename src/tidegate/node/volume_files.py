"""The volumes that are files made of objects: configMap, secret, downwardAPI, projected.

Decides what they hold; `volumes` writes it. What is missing raises `VolumeNotReady`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.client.api import Reader
from tidegate.model.core import ConfigMap, Secret
from tidegate.model.pods import Pod
from tidegate.model.volumes import (
    DownwardAPIFile,
    KeyToPath,
    Volume,
    VolumeProjection,
)
from tidegate.node.downward import downward_file
from tidegate.node.environment import config_data, secret_data
from tidegate.node.errors import NotSupported, VolumeNotReady

_FILE_MODE = 0o644

#: Relative path -> content and own mode (None: the volume's).
Files = dict[str, tuple[bytes, int | None]]


@dataclass(frozen=True, slots=True)
class Content:
    """What such a volume holds."""

    files: Files
    mode: int


def content_of(reader: Reader, pod: Pod, volume: Volume) -> Content | None:
    """None: the volume is of another type. Raises `VolumeNotReady`."""
    made = _Making(reader, pod, volume.name)
    if volume.config_map is not None:
        config = volume.config_map
        files = made.config_map(config.name, config.items, bool(config.optional))
        return Content(files, _mode(config.default_mode))
    if volume.secret is not None:
        secret = volume.secret
        files = made.secret(secret.secret_name, secret.items, bool(secret.optional))
        return Content(files, _mode(secret.default_mode))
    if volume.downward_api is not None:
        return Content(
            made.downward(volume.downward_api.items), _mode(volume.downward_api.default_mode)
        )
    if volume.projected is not None:
        files = {}
        for source in volume.projected.sources:
            files |= made.projection(source)
        return Content(files, _mode(volume.projected.default_mode))
    return None


def references(pod: Pod) -> frozenset[tuple[type[ConfigMap] | type[Secret], str]]:
    """The ConfigMaps and Secrets that the pod's volumes show, whose changes must be written."""
    found: set[tuple[type[ConfigMap] | type[Secret], str]] = set()
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            found.add((ConfigMap, volume.config_map.name))
        if volume.secret is not None:
            found.add((Secret, volume.secret.secret_name))
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.config_map is not None:
                found.add((ConfigMap, source.config_map.name))
            if source.secret is not None:
                found.add((Secret, source.secret.name))
    return frozenset(found)


def shows_pod(pod: Pod) -> bool:
    """Whether a volume shows fields of the pod itself, so that its changes must be written."""
    return any(
        volume.downward_api is not None
        or (
            volume.projected is not None
            and any(source.downward_api is not None for source in volume.projected.sources)
        )
        for volume in pod.spec.volumes
    )


class _Making:
    """Files for one volume of a pod."""

    def __init__(self, reader: Reader, pod: Pod, volume: str) -> None:
        self._reader, self._pod, self._volume = reader, pod, volume
        self._space = pod.metadata.namespace or ""

    def config_map(self, name: str, items: Sequence[KeyToPath], optional: bool) -> Files:
        found = self._reader.get(ConfigMap, self._space, name)
        if found is None and not optional:
            raise VolumeNotReady(self._volume, f'configmap "{name}" not found')
        data = {} if found is None else config_data(found)
        return self._chosen(f"configmap {self._space}/{name}", data, items, optional)

    def secret(self, name: str, items: Sequence[KeyToPath], optional: bool) -> Files:
        found = self._reader.get(Secret, self._space, name)
        if found is None and not optional:
            raise VolumeNotReady(self._volume, f'secret "{name}" not found')
        data = {} if found is None else secret_data(found)
        return self._chosen(f"secret {self._space}/{name}", data, items, optional)

    def downward(self, items: Sequence[DownwardAPIFile]) -> Files:
        files: Files = {}
        for item in items:
            self._check_inside(item.path)
            try:
                files[item.path] = (downward_file(self._reader, self._pod, item), item.mode)
            except NotSupported as why:
                raise VolumeNotReady(self._volume, str(why)) from why
        return files

    def projection(self, source: VolumeProjection) -> Files:
        """Tokens and trust bundles are left out: admission says so."""
        files: Files = {}
        if source.config_map is not None:
            config = source.config_map
            files |= self.config_map(config.name, config.items, bool(config.optional))
        if source.secret is not None:
            secret = source.secret
            files |= self.secret(secret.name, secret.items, bool(secret.optional))
        if source.downward_api is not None:
            files |= self.downward(source.downward_api.items)
        return files

    def _chosen(
        self, what: str, data: Mapping[str, bytes], items: Sequence[KeyToPath], optional: bool
    ) -> Files:
        if not items:
            return {key: (value, None) for key, value in data.items()}
        files: Files = {}
        for item in items:
            self._check_inside(item.path)
            if item.key in data:
                files[item.path] = (data[item.key], item.mode)
            elif not optional:
                why = f"{what} references non-existent config key: {item.key}"
                raise VolumeNotReady(self._volume, why)
        return files

    def _check_inside(self, path: str) -> None:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            why = f'path "{path}" must be relative and not contain ".."'
            raise VolumeNotReady(self._volume, why)


def _mode(mode: int | None) -> int:
    return _FILE_MODE if mode is None else mode
