"""What `apply` sends: the three-way difference between document, last applied and live object.

As kubectl's client-side apply of custom resources (`jsonmergepatch.CreateThreeWayJSONMergePatch`):
fields that the document sets and the live object doesn't have so are set; fields that were in the
last applied document and are in it no more are removed; everything else (defaults, what
controllers wrote) is left alone. Lists are replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Json = dict[str, Any]


def without_nulls(value: Any) -> Any:
    """The document with fields set to null left out: to the API both mean "not set"."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def with_last_applied(document: Json) -> Json:
    """The document with itself in the annotation, as kubectl writes it."""
    annotations = dict(document.get("metadata", {}).get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    plain = {**document, "metadata": {**document.get("metadata", {}), "annotations": annotations}}
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    return {
        **plain,
        "metadata": {**plain["metadata"], "annotations": {**annotations, LAST_APPLIED: text}},
    }


def last_applied(live: Mapping[str, Any]) -> Json:
    """The document that was applied last; empty when there was none or it can't be read."""
    text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def merge_patch(was: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any]) -> Json:
    """The JSON merge patch that brings `live` to `wanted`, given that `was` was applied before.

    Empty: nothing to do.
    """
    patch: Json = {}
    for key, value in wanted.items():
        there = live.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            before = was.get(key)
            inner = merge_patch(before if isinstance(before, dict) else {}, value, there)
            if inner:
                patch[key] = inner
        elif (
            key not in live or there != value or isinstance(there, bool) != isinstance(value, bool)
        ):
            patch[key] = value
    for key in was:
        if key not in wanted and key in live:
            patch[key] = None
    return patch
