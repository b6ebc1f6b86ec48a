"""ConfigMap `config-images` in namespace `tidegate-system`: what images are on this machine.

Each key is a name of the user's choice, each value a small YAML document:

```yaml
data:
  intent: |
    image: ai-samples/bert-intent-detection
    command: [python, server.py]
    folder: /srv/intent
```

`image` is the end of the image's path, in whole components, whatever registry stands before it (or with
the registry: then of that one only), with or without the start of a tag (`:1.0`). `command` is what the image's own entry point would be (left
out: what the built-in table has for the image, else the document's own); `folder` where it runs (None:
the pod's own folder); `env` what the image sets; `replaces` spellings of the entry point that documents
write into `command`; `paths` folders inside the image, such as its models, and the folders of this
machine that they are. These entries come before the built-in table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.policy.errors import BadConfig

NAMESPACE, NAME = "tidegate-system", "config-images"
_EXAMPLE = "_example"
_FIELDS = ("image", "command", "folder", "env", "replaces", "paths")


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One entry. `repository` and `tag` as in `image`; an empty tag suits every tag, an empty command
    is the built-in table's."""

    repository: str
    tag: str
    command: tuple[str, ...]
    folder: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    replaces: tuple[tuple[str, ...], ...] = ()
    paths: tuple[tuple[str, str], ...] = ()


def parse_config_images(data: Mapping[str, str]) -> tuple[ImageEntry, ...]:
    """The entries in the order of their keys. Raises `BadConfig`, which names key and field."""
    return tuple(
        _entry(f"data[{key}]", text) for key, text in sorted(data.items()) if key != _EXAMPLE
    )


@lru_cache(maxsize=256)  # read at every start of a container, and YAML takes 2 ms
def _entry(path: str, text: str) -> ImageEntry:
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except YAMLError as why:
        raise _bad(path, f"not YAML: {str(why).splitlines()[0]}") from why
    if not isinstance(found, dict):
        raise _bad(path, "must be a mapping with `image` and `command`")
    unknown = [str(name) for name in found if name not in _FIELDS]
    if unknown:
        raise _bad(f"{path}.{unknown[0]}", f"unknown field (there are {', '.join(_FIELDS)})")
    repository, tag = _image(f"{path}.image", found.get("image"))
    said = found.get("command")
    command = () if said is None else _words(f"{path}.command", said)
    if not command and not any(found.get(name) for name in _FIELDS[2:]):
        raise _bad(path, f"says only which image: add one of {', '.join(_FIELDS[1:])}")
    if found.get("replaces") and not command:
        raise _bad(f"{path}.replaces", "needs a `command` that it is a spelling of")
    folder = found.get("folder")
    if folder is not None and not (isinstance(folder, str) and folder.startswith("/")):
        raise _bad(f"{path}.folder", f"must be a full path, not {folder!r}")
    replaces = found.get("replaces") or []
    if not isinstance(replaces, list):
        raise _bad(f"{path}.replaces", "must be a list of commands, each a list of words")
    return ImageEntry(
        repository,
        tag,
        command,
        folder,
        _env(f"{path}.env", found.get("env") or {}),
        tuple(_words(f"{path}.replaces[{i}]", each) for i, each in enumerate(replaces)),
        _paths(f"{path}.paths", found.get("paths") or {}),
    )


def _image(path: str, value: Any) -> tuple[str, str]:
    if not isinstance(value, str) or not value.strip("/"):
        raise _bad(path, "must name an image, such as ai-samples/bert-intent-detection")
    head, slash, last = value.strip("/").rpartition("/")
    last, _, tag = last.partition(":")
    if not last or "@" in value or " " in value:
        raise _bad(path, f"{value!r} is no image name")
    name = f"{head}{slash}{last}"
    if "*" in name:
        raise _bad(path, f"{value!r}: a `*` may only end a tag; write the image's whole name")
    return (name if slash else f"library/{name}"), tag.rstrip("*")


def _words(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(w, str) for w in value):
        raise _bad(path, "must be a list of words, such as [python, server.py]")
    return tuple(value)


def _paths(path: str, value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _bad(path, "must map folders of the image to folders of this machine")
    for each in (*value, *value.values()):
        if not isinstance(each, str) or not each.startswith("/") or each == "/":
            raise _bad(path, f"{each!r} must be a full path below /")
    return tuple((inside.rstrip("/"), here) for inside, here in value.items())


def _env(path: str, value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(
        isinstance(k, str) and isinstance(v, str) for k, v in value.items()
    ):
        raise _bad(path, "must map names to text (quote numbers)")
    return tuple(value.items())


def _bad(path: str, why: str) -> BadConfig:
    return BadConfig(NAME, f"{path}: {why}")
