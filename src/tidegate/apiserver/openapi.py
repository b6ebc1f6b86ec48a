"""`/openapi/v3`: as much as kubectl looks at before it sends a document.

It asks whether the patch operation of a kind knows `fieldValidation` (else it would validate by
itself) and `dryRun`; `kubectl explain` reads the schemas. Left out: all other operations.

`/openapi/v2` is asked for where v3 has no answer: for a `v1 List`, and for kinds that nobody has. An
empty document there lets kubectl go on, to the List's items or to its own words for such a kind.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from tidegate.apiserver import reviews
from tidegate.apiserver.schemas import schemas_of
from tidegate.model.errors import UnknownPath
from tidegate.model.kinds import SERVED, Kind

#: As servers name it; clients ask for `...spec.v2@v1.0+protobuf`, which is no media type.
V2_MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#: An OpenAPI v2 document in protobuf that says nothing but its version ("swagger": field 1).
V2 = b"\x0a\x032.0"
_REFUSED_PLACE = f"apis/{reviews.RBAC}/v1"
_PARAMETERS = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation")]


def index() -> dict[str, Any]:
    """One address per group and version; the hash lets clients keep what they have."""
    paths = {}
    for place in (*_places(), _REFUSED_PLACE):
        digest = hashlib.sha256(document(place)).hexdigest()[:16].upper()
        paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}
    return {"paths": paths}


@lru_cache(maxsize=64)
def document(place: str) -> bytes:
    """The document of `api/v1` or `apis/G/V`. Raises UnknownPath."""
    kinds = _places().get(place, [])
    paths = {
        _path(place, kind.plural, namespaced=kind.namespaced): _patched(kind) for kind in kinds
    }
    if place == _REFUSED_PLACE:  # else kubectl sends nothing that could be refused with the reason
        for plural, (name, namespaced) in reviews.REFUSED.items():
            operation = _patch(name, group=reviews.RBAC, version="v1")
            paths[_path(place, plural, namespaced=namespaced)] = {"patch": operation}
    if not paths:
        raise UnknownPath("the server could not find the requested resource", details={})
    return json.dumps(
        {
            "openapi": "3.0.0",
            "info": {"title": "Tidegate", "version": "v1.32.0+tidegate"},
            "paths": paths,
            "components": {"schemas": schemas_of(kinds)},
        }
    ).encode()


def _places() -> dict[str, list[Kind]]:
    out: dict[str, list[Kind]] = {}
    for kind in SERVED:
        place = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
        out.setdefault(place, []).append(kind)
    return out


def _path(place: str, plural: str, *, namespaced: bool) -> str:
    middle = "/namespaces/{namespace}" if namespaced else ""
    return f"/{place}{middle}/{plural}/{{name}}"


def _patched(kind: Kind) -> dict[str, Any]:
    return {"patch": _patch(kind.kind, group=kind.group, version=kind.version)}


def _patch(kind: str, *, group: str, version: str) -> dict[str, Any]:
    return {
        "operationId": f"patch{kind}",
        "parameters": _PARAMETERS,
        "x-kubernetes-group-version-kind": {
            "group": group,
            "version": version,
            "kind": kind,
        },
        "responses": {},
    }
