"""The scale subresource: how many, seen through one shape for every kind that has replicas. Pure.

Source: k8s.io/api autoscaling/v1 (Scale).
"""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.model.errors import BadRequest, Cause, Invalid
from tidegate.model.meta import Object
from tidegate.model.scale import scale_view, with_replicas

API_VERSION, KIND = "autoscaling/v1", "Scale"


def scale_of(obj: Object) -> dict[str, Any]:
    """The Scale of an object whose kind has one. Its version is the object's."""
    meta, view = obj.metadata, scale_view(obj)
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
            "creationTimestamp": meta.creation_timestamp,
        },
        "spec": {"replicas": view.replicas},
        "status": {"replicas": view.observed, "selector": view.selector},
    }


def scaled(obj: Object, scale: Any) -> Object:
    """The object with the replicas (and, if said, the version and uid) of a Scale.

    Raises BadRequest for what is no Scale, Invalid for a negative number.
    """
    if not isinstance(scale, dict) or not isinstance(scale.get("spec") or {}, dict):
        raise BadRequest("the body must be a Scale object")
    said = scale.get("metadata") or {}
    if said.get("name") not in (None, "", obj.metadata.name):
        raise BadRequest(
            f"the name of the object ({said['name']}) does not match the name on the URL "
            f"({obj.metadata.name})"
        )
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise BadRequest(f"spec.replicas of a Scale is {replicas!r}: it must be a whole number")
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = Cause("FieldValueInvalid", why, "spec.replicas")
        raise Invalid("Scale.autoscaling", obj.metadata.name, [cause])
    meta = msgspec.structs.replace(
        obj.metadata,
        resource_version=said.get("resourceVersion") or None,
        uid=said.get("uid") or obj.metadata.uid,
    )
    return msgspec.structs.replace(with_replicas(obj, replicas), metadata=meta)
