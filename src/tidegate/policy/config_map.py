"""Reads the keys of one config map into fields, and says in Knative's words which one can't be.

Source: knative.dev/pkg configmap/parse.go. Unknown keys, `_example` among them, are ignored; maps of our
own refuse them (`refuse_unknown`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import BadValue, parse_bool, quoted

# Key in the map, field of the settings dataclass, how the text is read.
Key = tuple[str, str, Callable[[str], Any]]


def read_keys(
    config_map: str, data: Mapping[str, str], keys: Sequence[Key], *, opening: str = ""
) -> dict[str, Any]:
    """The fields whose keys are present; where two keys fill one field the later row wins.

    `opening` goes in front of a refusal. Raises `BadConfig` for the first key that can't be read.
    """
    found: dict[str, Any] = {}
    for key, name, parse in keys:
        if key not in data:
            continue
        try:
            found[name] = parse(data[key])
        except BadValue as why:
            # Knative's reader of truth values is the one that doesn't name its key.
            cause = str(why) if parse is parse_bool else f"failed to parse {quoted(key)}: {why}"
            raise BadConfig(config_map, opening + cause) from why
    return found


def refuse_unknown(config_map: str, data: Mapping[str, str], known: Collection[str]) -> None:
    """Raises `BadConfig` for a key that means nothing. Those that begin with `_` are comments."""
    for key in sorted(data):
        if key not in known and not key.startswith("_"):
            raise bad_key(config_map, key, f"no such key (there are {', '.join(sorted(known))})")


def bad_key(config_map: str, key: str, why: str) -> BadConfig:
    return BadConfig(config_map, f"data[{key}]: {why}")
