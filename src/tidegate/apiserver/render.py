"""Objects as a client wants to read them: plain JSON, metadata only, or a Table.

Source: kubernetes-api conventions; k8s.io/apimachinery pkg/apis/meta/v1 (Table).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.model.columns import columns_of
from tidegate.model.errors import ApiError, BadRequest
from tidegate.model.kinds import Kind, encode, encode_item
from tidegate.model.meta import Object, touched


class NotAcceptable(ApiError):
    """None of the forms that the client would take is one we have."""

    code, reason = 406, "NotAcceptable"


@dataclass(frozen=True, slots=True)
class Form:
    """`table` and `partial` hold the meta.k8s.io version asked for; at most one is set.
    `include` says how much of each object goes into a Table: Metadata, Object or None."""

    table: str | None = None
    partial: str | None = None
    include: str = "Metadata"


PLAIN = Form()


def form_of(accept: str, include: str | None) -> Form:
    """The first form in an Accept header that we have. Raises NotAcceptable, BadRequest."""
    if include not in (None, "", "Metadata", "Object", "None"):
        raise BadRequest(f'includeObject is "{include}": it must be one of Metadata, Object, None')
    if not accept.strip():
        return PLAIN
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media not in ("application/json", "application/*", "*/*"):
            continue
        said = dict(p.partition("=")[::2] for p in parameters)
        form = said.get("as")
        if form is None:
            return PLAIN
        if said.get("g") == "meta.k8s.io" and said.get("v") in ("v1", "v1beta1"):
            if form == "Table":
                return Form(table=said["v"], include=include or "Metadata")
            if form in ("PartialObjectMetadata", "PartialObjectMetadataList"):
                return Form(partial=said["v"])
    raise NotAcceptable("only the following media types are accepted: application/json")


def one(obj: Object, kind: Kind, form: Form, *, now_s: float) -> bytes:
    """One object in the version that `kind` stands for."""
    if form.table:
        return _dump(table([obj], kind, form, now_s=now_s, version=None))
    if form.partial:
        return _dump(_partial(obj, form.partial))
    return encode(obj, kind)


def many(
    objects: Iterable[Object],
    kind: Kind,
    form: Form,
    *,
    now_s: float,
    version: str,
    more: Mapping[str, Any] | None = None,
) -> bytes:
    """A list. Items of built-in kinds don't repeat their kind; those of others do. `more`: what the
    list's metadata says besides its version."""
    meta = {"resourceVersion": version, **(more or {})}
    if form.table:
        whole = table(objects, kind, form, now_s=now_s, version=version)
        return _dump(whole | {"metadata": meta})
    if form.partial:
        return _dump(
            {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{form.partial}",
                "metadata": meta,
                "items": [_partial(o, form.partial) for o in objects],
            }
        )
    head = _dump(
        {
            "kind": f"{kind.kind}List",
            "apiVersion": kind.api_version,
            "metadata": meta,
        }
    )
    one_item = encode_item if is_built_in(kind) else encode
    return head[:-1] + b',"items":[' + b",".join(one_item(o, kind) for o in objects) + b"]}"


def is_built_in(kind: Kind) -> bool:
    """Whether a cluster has this kind without anybody installing it."""
    return "." not in kind.group or kind.group.endswith(".k8s.io")


def table(
    objects: Iterable[Object],
    kind: Kind,
    form: Form,
    *,
    now_s: float,
    version: str | None,
    definitions: bool = True,
) -> dict[str, Any]:
    """`definitions` False: rows only (the later events of a watch)."""
    columns = columns_of(kind)
    rows = [
        {"cells": [c.cell(o, now_s) for c in columns], "object": _row_object(o, kind, form)}
        for o in objects
    ]
    described = [
        {
            "name": c.name,
            "type": c.type,
            "format": "name" if c.name == "Name" else "",
            "description": "",
            "priority": c.priority,
        }
        for c in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.table}",
        "metadata": {"resourceVersion": version} if version else {},
        "columnDefinitions": described if definitions else None,
        "rows": rows,
    }


def table_bookmark(kind: Kind, form: Form, bookmark: dict[str, Any]) -> dict[str, Any]:
    """A row without cells, whose object has the version."""
    out = table([], kind, form, now_s=0.0, version=None, definitions=False)
    return out | {"rows": [{"cells": [], "object": bookmark}]}


def _row_object(obj: Object, kind: Kind, form: Form) -> Any:
    if form.include == "None":
        return None
    if form.include == "Object":
        return msgspec.Raw(encode(obj, kind))
    named = _partial(obj, form.table or "v1")  # without managers: no client prints those of a row
    return named | {"metadata": touched(obj.metadata, managed_fields=None)}


def _partial(obj: Object, version: str) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.metadata,
    }


def _dump(value: Any) -> bytes:
    return msgspec.json.encode(value)
