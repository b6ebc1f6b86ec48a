"""Strategic merge patch: a merge patch that knows which lists merge by a key. Pure.

Source: apimachinery pkg/util/strategicpatch/patch.go and the patchMergeKey tags of k8s.io/api.
Left out: `$patch: merge` needs no word (it is what happens anyway).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.model.errors import BadRequest

#: List name -> the key that its items merge by. Ports merge by the port they have (see `_key`).
MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "addresses": "type",
    "ownerReferences": "uid",
    "taints": "key",
    "podIPs": "ip",
    "hostIPs": "ip",
}
#: Lists of plain values that grow instead of being replaced.
SETS = frozenset(["finalizers"])
_ORDER, _DROP, _RETAIN, _PATCH = (
    "$setElementOrder/",
    "$deleteFromPrimitiveList/",
    "$retainKeys",
    "$patch",
)


def strategic_merge(target: Any, patch: Any) -> Any:
    """The patched document. Raises BadRequest for a list item without its merge key."""
    if not isinstance(patch, dict):
        raise BadRequest("a strategic merge patch is an object")
    return _merge(target if isinstance(target, dict) else {}, patch)


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.get(_PATCH)
    if directive == "delete":
        return {}
    if directive == "replace":
        return {k: v for k, v in patch.items() if k != _PATCH}
    out = dict(target)
    if _RETAIN in patch:
        out = {k: v for k, v in out.items() if k in patch[_RETAIN]}
    for name, value in patch.items():
        if name.startswith(_DROP):
            field = name.removeprefix(_DROP)
            out[field] = [v for v in out.get(field) or [] if v not in value]
        elif not name.startswith("$"):
            _merge_field(out, name, value)
    for name, order in patch.items():
        if name.startswith(_ORDER):
            field = name.removeprefix(_ORDER)
            if isinstance(out.get(field), list):
                out[field] = _ordered(out[field], target.get(field) or [], order, field)
    return out


def _merge_field(out: dict[str, Any], name: str, value: Any) -> None:
    was = out.get(name)
    if value is None:
        out.pop(name, None)
    elif isinstance(value, dict):
        out[name] = _merge(was if isinstance(was, dict) else {}, value)
    elif isinstance(value, list) and name in SETS:
        out[name] = [*(was or []), *(v for v in value if v not in (was or []))]
    elif isinstance(value, list) and (key := _key(name, value)):
        out[name] = _merge_list(was if isinstance(was, list) else [], value, key)
    else:
        out[name] = value


def _key(name: str, items: list[Any]) -> str | None:
    if name == "ports":  # of a container, or of a Service
        named = [i for i in items if isinstance(i, dict)]
        return next((k for k in ("containerPort", "port") if any(k in i for i in named)), None)
    return MERGE_KEYS.get(name)


def _merge_list(was: list[Any], items: list[Any], key: str) -> list[Any]:
    if {_PATCH: "replace"} in items:
        return [i for i in items if i != {_PATCH: "replace"}]
    out = list(was)
    for item in items:
        if not isinstance(item, dict) or key not in item:
            raise BadRequest(f"map: {item} does not contain declared merge key: {key}")
        at = next((n for n, o in enumerate(out) if o.get(key) == item[key]), None)
        if item.get(_PATCH) == "delete":
            if at is not None:
                del out[at]
        elif at is None:
            out.append(_merge({}, item))
        else:
            out[at] = _merge(out[at], item)
    return out


def _ordered(items: list[Any], was: list[Any], order: list[Any], field: str) -> list[Any]:
    """`items` in the patch's order; items that only the server knows keep their place among those
    that both know."""
    key = _key(field, order)

    def mark(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    place = {mark(item): n for n, item in enumerate(was)}
    rank = {mark(item): n for n, item in enumerate(order)}
    ordered = sorted((i for i in items if mark(i) in rank), key=lambda i: rank[mark(i)])
    others = [i for i in items if mark(i) not in rank]
    out: list[Any] = []
    for item in ordered:
        here = place.get(mark(item))
        while here is not None and others and place.get(mark(others[0]), here) < here:
            out.append(others.pop(0))
        out.append(item)
    return out + others
