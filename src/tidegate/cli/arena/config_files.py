"""`--config-file HERE[:THERE]`: files of the submitting machine as ConfigMaps, mounted.

Source: arena pkg/argsbuilder/serving.go (`setConfigFiles`), charts/tfserving/templates/configmap.yaml.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from tidegate.cli.arena.render_pods import Json
from tidegate.cli.errors import Usage
from tidegate.cli.places import placed

_KEY_LENGTH = 15


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file: the folder it has in the container, its name there, and what is in it."""

    folder: str
    name: str
    text: str

    @property
    def key(self) -> str:
        """Of its folder, in the name of the ConfigMap."""
        return md5(self.folder.encode(), usedforsecurity=False).hexdigest()[:_KEY_LENGTH]


def read_config_files(texts: Sequence[str]) -> tuple[ConfigFile, ...]:
    """Raises `Usage` for a file that can't be read, or a place that is no file's."""
    found = []
    for text in texts:
        here, colon, there = text.partition(":")
        place = there if colon else str(placed(Path(here).expanduser()))
        folder, name = posixpath.split(place)
        if not here or not name or not folder.startswith("/"):
            raise Usage(f"--config-file {text!r}: write it as FILE or FILE:/folder/name")
        try:
            content = Path(here).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as why:
            raise Usage(f"--config-file {text!r}: can't be read as text: {why}") from why
        found.append(ConfigFile(folder, name, content))
    return tuple(found)


def config_maps(
    files: Iterable[ConfigFile], release: str, namespace: str, marks: dict[str, str]
) -> list[Json]:
    """One for each folder."""
    made: dict[str, Json] = {}
    for file in files:
        document = made.setdefault(
            file.key,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": f"{release}-{file.key}",
                    "namespace": namespace,
                    "labels": marks,
                },
                "data": {},
            },
        )
        document["data"][file.name] = file.text
    return list(made.values())


def config_volumes(files: Iterable[ConfigFile], release: str) -> tuple[list[Json], list[Json]]:
    """(volumes, mounts): each folder is its ConfigMap."""
    folders = {file.key: file.folder for file in files}
    volumes: list[Json] = [
        {"name": f"config-{key}", "configMap": {"name": f"{release}-{key}"}} for key in folders
    ]
    mounts: list[Json] = [
        {"name": f"config-{key}", "mountPath": folder} for key, folder in folders.items()
    ]
    return volumes, mounts
