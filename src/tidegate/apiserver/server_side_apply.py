"""Server-side apply: an intent laid over an object, and what its author no longer says. Pure.

Source: structured-merge-diff merge/update.go and typed/merge.go. Versions
of one kind that say the same in other words don't come here: an apply in one that is not stored is
made one in the stored version first (`resources`).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any

from msgspec import inspect

from tidegate.apiserver.field_sets import ATOMIC, DEEPEST, Path, item_steps, steps_of

_METADATA = "metadata"


def merged(live: Mapping[str, Any], intent: Mapping[str, Any], *, keyed: bool) -> dict[str, Any]:
    """The object with all that the intent says. A null says nothing.

    `keyed`: see `fields_of`. Raises BadRequest for a list item without its key, or said twice.
    """
    out = dict(live)
    for name, value in intent.items():
        if value is not None:
            keys = keyed or name == _METADATA
            out[name] = _merged(live.get(name), value, name, (f"f:{name}",), keys)
    return out


def _merged(was: Any, said: Any, name: str, path: Path, keyed: bool) -> Any:
    if len(path) > DEEPEST:
        return said
    if isinstance(said, dict):
        old = was if isinstance(was, dict) and name not in ATOMIC else {}
        out = dict(old)
        for key, value in said.items():
            if value is not None:
                out[key] = _merged(old.get(key), value, key, (*path, f"f:{key}"), keyed)
        return out
    if isinstance(said, list):
        steps = item_steps(said, name, path, keyed)
        if steps is not None:
            return _merged_list(was if isinstance(was, list) else [], said, steps, name, path)
    return said


def _merged_list(
    was: list[Any], said: list[Any], steps: list[str], name: str, path: Path
) -> list[Any]:
    """Items in the order they were said; those of others keep their place among the ones that both
    have, a new one comes right after the one that is said before it."""
    has = dict(zip(steps_of(was, name, path, True) or (), was, strict=True))
    new = {
        step: _merged(has.get(step), item, name, (*path, step), True)
        for step, item in zip(steps, said, strict=True)
    }
    both = iter([step for step in steps if step in has])
    order = [next(both) if step in new else step for step in has]
    at = 0
    for step in steps:
        if step in has:
            at = order.index(step) + 1
        else:
            order.insert(at, step)
            at += 1
    return [new[step] if step in new else has[step] for step in order]


def without(
    document: dict[str, Any], dropped: Set[Path], owned: Set[Path], type_: type, *, keyed: bool
) -> dict[str, Any]:
    """The document without fields that their author no longer says.

    `owned` are the fields that somebody still says. An item goes whole, with what was filled into
    it, unless somebody owns a part of it; so does an optional object that nobody owns a part of.
    """
    kept = _prefixes(owned)
    gone = {path for path in dropped if path not in kept}
    for path in dropped:
        gone |= {
            path[:n]
            for n in range(2, len(path))
            if path[:n] not in kept and _is_optional_object(type_, path[:n])
        }
    return _pruned(document, "", (), gone, kept, keyed) or {}


def _pruned(
    value: Any, name: str, path: Path, gone: Set[Path], kept: Set[Path], keyed: bool
) -> Any:
    """The value without what is gone below it; None when that leaves nothing of it."""
    if path in gone:
        return None
    if len(path) > DEEPEST:
        return value
    below = keyed or path[:1] == ("f:metadata",)
    pairs: list[tuple[Any, Any]]
    if isinstance(value, dict) and name not in ATOMIC:
        pairs = [
            (key, _pruned(inner, key, (*path, f"f:{key}"), gone, kept, below))
            for key, inner in value.items()
        ]
        left: Any = {key: inner for key, inner in pairs if inner is not None}
    elif isinstance(value, list) and (steps := steps_of(value, name, path, below)):
        pairs = [
            (step, _pruned(item, "", (*path, step), gone, kept, below))
            for step, item in zip(steps, value, strict=True)
        ]
        left = [item for _, item in pairs if item is not None]
    else:
        return value
    if left == value:
        return value
    return left if left or path in kept else None


def _prefixes(paths: Set[Path]) -> set[Path]:
    return {path[:n] for path in paths for n in range(1, len(path) + 1)}


@lru_cache(maxsize=4096)
def _is_optional_object(type_: type, path: Path) -> bool:
    """Whether a kind's field of this path is an object with fields of its own that may be absent."""
    info: inspect.Type = inspect.type_info(type_)
    optional = False
    for step in path:
        sort, _, name = step.partition(":")
        if sort == "f" and isinstance(info, inspect.StructType):
            field = next((f for f in info.fields if f.encode_name == name), None)
            if field is None:
                return False
            info, optional = _bare(field.type)
        elif sort == "f" and isinstance(info, inspect.DictType):
            info, optional = _bare(info.value_type)
        elif sort != "f" and isinstance(info, inspect.CollectionType):
            info, optional = _bare(info.item_type)
        else:
            return False
    return optional and isinstance(info, inspect.StructType)


def _bare(info: inspect.Type) -> tuple[inspect.Type, bool]:
    """The type without its wrappings, and whether it may be null."""
    optional = False
    while isinstance(info, inspect.Metadata | inspect.UnionType):
        if isinstance(info, inspect.Metadata):
            info = info.type
        else:
            inner = [t for t in info.types if not isinstance(t, inspect.NoneType)]
            optional |= len(inner) < len(info.types)
            if len(inner) != 1:
                return info, optional
            info = inner[0]
    return info, optional
