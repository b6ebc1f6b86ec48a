"""Which fields a document says: paths with their values, and FieldsV1, the way they are written. Pure.

A step of a path is written as in FieldsV1: `f:` a field, `k:` an item by its keys, `v:` an item of
a set. Lists without keys are one value; so are selectors and references.

Source: structured-merge-diff fieldpath; the list types and map types of k8s.io/api. Lists of kinds
that a cluster gets from a CRD are one value each, as in Knative's own CRDs; metadata is the same
everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tidegate.apiserver.strategic import MERGE_KEYS, SETS
from tidegate.model.errors import BadRequest

Path = tuple[str, ...]

#: What lies deeper is one value. No kind comes near; documents made to break things do.
DEEPEST = 100
#: Objects that are one value: half of a selector or of a reference makes no sense.
ATOMIC = frozenset(
    [
        "selector",
        "labelSelector",
        "nodeSelector",
        "secretKeyRef",
        "configMapKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "scaleTargetRef",
        "involvedObject",
        "claimRef",
    ]
)
#: Lists that merge by a key in a strategic patch and are one value here.
_NO_KEYS = frozenset(["taints"])
#: Names of lists whose items have more keys than one; a key that is not said has this value.
_MORE_KEYS: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "containerPort": (("containerPort", None), ("protocol", "TCP")),
    "port": (("port", None), ("protocol", "TCP")),
    "topologyKey": (("topologyKey", None), ("whenUnsatisfiable", None)),
}
_SERVER_OWN = frozenset(
    [
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
        "f:deletionTimestamp",
        "f:deletionGracePeriodSeconds",
    ]
)


def fields_of(document: Mapping[str, Any], *, keyed: bool) -> dict[Path, Any]:
    """The path of every value, and of every item of a list with keys (its value is None).

    `keyed` False: only lists in metadata have keys. What only the server sets, or what names the
    object, is left out. A list with an item that has no key, or with one twice, is one value.
    """
    out: dict[Path, Any] = {}
    for name, value in document.items():
        if name not in ("apiVersion", "kind"):
            _walk(value, name, (f"f:{name}",), keyed or name == "metadata", out)
    return {path: v for path, v in out.items() if not _is_servers(path)}


def _is_servers(path: Path) -> bool:
    return path[0] == "f:metadata" and (len(path) == 1 or path[1] in _SERVER_OWN)


def _walk(value: Any, name: str, path: Path, keyed: bool, out: dict[Path, Any]) -> None:
    if value is None:
        return
    if len(path) > DEEPEST:
        out[path] = value
    elif isinstance(value, dict) and value and name not in ATOMIC:
        for key, inner in value.items():
            _walk(inner, key, (*path, f"f:{key}"), keyed, out)
    elif isinstance(value, list) and value and (steps := steps_of(value, name, path, keyed)):
        for step, item in zip(steps, value, strict=True):
            out[(*path, step)] = None
            if isinstance(item, dict):
                for key, inner in item.items():
                    _walk(inner, key, (*path, step, f"f:{key}"), keyed, out)
    else:
        out[path] = value


def steps_of(items: list[Any], name: str, path: Path, keyed: bool) -> list[str] | None:
    """As `item_steps`, but None as well for a list whose items can't be told apart."""
    try:
        return item_steps(items, name, path, keyed)
    except BadRequest:
        return None


def item_steps(items: list[Any], name: str, path: Path, keyed: bool) -> list[str] | None:
    """One step per item of a list that has keys, None for a list that is one value.

    Raises BadRequest for an item without its key, or one that is there twice.
    """
    if name in SETS:
        steps = [f"v:{_dump(item)}" for item in items]
    else:
        keys = _keys(name, items) if keyed else None
        if keys is None:
            return None
        steps = [_item_step(item, keys, path, n) for n, item in enumerate(items)]
    if len(set(steps)) < len(steps):
        twice = next(step for step in steps if steps.count(step) > 1)
        raise BadRequest(f"{path_text(path)}: duplicate entries for key {_step_text(twice)}")
    return steps


def _keys(name: str, items: list[Any]) -> tuple[tuple[str, Any], ...] | None:
    if name == "ports":  # of a container, or of a Service
        said = {key for item in items if isinstance(item, dict) for key in item}
        names = next((k for k in ("containerPort", "port") if k in said), None)
        return _MORE_KEYS[names or "containerPort"]
    key = MERGE_KEYS.get(name)
    if key is None or name in _NO_KEYS:
        return None
    return _MORE_KEYS.get(key, ((key, None),))


def _item_step(item: Any, keys: tuple[tuple[str, Any], ...], path: Path, number: int) -> str:
    named = {}
    for key, default in keys:
        value = item.get(key, default) if isinstance(item, dict) else None
        if value is None:
            raise BadRequest(
                f"{path_text(path)}: element {number}: associative list with keys has an element "
                f'that omits key field "{key}" (and doesn\'t have default value)'
            )
        named[key] = value
    return f"k:{_dump(named)}"


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


# --- as text


def path_text(path: Path) -> str:
    """As conflicts name it: `.spec.template.spec.containers[name="main"].image`."""
    return "".join(map(_step_text, path))


def _step_text(step: str) -> str:
    sort, _, rest = step.partition(":")
    if sort == "f":
        return f".{rest}"
    if sort == "v":
        return f"[={rest}]"
    return f"[{','.join(f'{k}={_dump(v)}' for k, v in json.loads(rest).items())}]"


# --- as FieldsV1


def to_v1(paths: Collection[Path]) -> dict[str, Any]:
    """A set of paths as the tree that objects carry."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _without_dots(tree)


def _without_dots(node: dict[str, Any]) -> dict[str, Any]:
    """A leaf is an empty object; only what has fields below it says that it is itself meant."""
    if node.keys() == {"."}:
        return {}
    return {step: _without_dots(below) if step != "." else {} for step, below in node.items()}


def from_v1(tree: Any) -> frozenset[Path]:
    """Raises BadRequest for what is no FieldsV1."""
    return frozenset(_paths(tree, ()))


def _paths(node: Any, path: Path) -> Iterator[Path]:
    if len(path) > DEEPEST:
        raise BadRequest("fieldsV1 is nested too deeply")
    if not isinstance(node, dict):
        raise BadRequest(f"fieldsV1: {path_text(path) or 'the whole'} is not an object")
    if path and (not node or "." in node):
        yield path
    for step, below in node.items():
        if step == ".":
            continue
        _check(step)
        yield from _paths(below, (*path, step))


def _check(step: str) -> None:
    sort, _, rest = step.partition(":")
    if sort == "f":
        return
    try:
        value = json.loads(rest) if sort in ("k", "v") else None
    except ValueError as why:
        raise BadRequest(f"fieldsV1: {step!r} names no item: {why}") from why
    if sort not in ("k", "v") or (sort == "k" and not isinstance(value, dict)):
        raise BadRequest(f"fieldsV1: {step!r} is neither a field (f:) nor an item (k:, v:)")
