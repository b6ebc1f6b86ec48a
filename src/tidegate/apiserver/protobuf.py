"""Bodies in protobuf: what `kubectl create KIND NAME` sends, and it has no other way. Pure.

Only the messages below are known. A field that isn't is refused by its number, never dropped,
unless it says nothing: Kubernetes writes empty texts, zeros and falses out.

Source: apimachinery pkg/runtime/serializer/protobuf, the generated.proto files of k8s.io/api.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.model.conditions import timestamp
from tidegate.model.errors import BadRequest, UnsupportedMedia

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _I64, _BYTES, _I32 = 0, 1, 2, 5
_YEAR_10000_S = 253_402_300_800


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is text, bytes, int, bool, time, quantity, int-or-text, or the name of a message; a
    map's is that of its values. `zero`: a zero (or false) means something there, because it would
    not have been written otherwise."""

    name: str
    kind: str
    many: bool = False
    map: bool = False
    zero: bool = False


def _texts(name: str) -> Field:
    return Field(name, "text", many=True)


def _map(name: str, kind: str = "text") -> Field:
    return Field(name, kind, map=True)


_TEXT = "text"
MESSAGES: Mapping[str, Mapping[int, Field]] = {
    "ObjectMeta": {
        1: Field("name", _TEXT),
        2: Field("generateName", _TEXT),
        3: Field("namespace", _TEXT),
        4: Field("selfLink", _TEXT),
        5: Field("uid", _TEXT),
        6: Field("resourceVersion", _TEXT),
        7: Field("generation", "int"),
        8: Field("creationTimestamp", "time"),
        11: _map("labels"),
        12: _map("annotations"),
        14: _texts("finalizers"),
    },
    "Namespace": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "NamespaceSpec"),
        3: Field("status", "NamespaceStatus"),
    },
    "NamespaceSpec": {1: _texts("finalizers")},
    "NamespaceStatus": {1: Field("phase", _TEXT)},
    "ConfigMap": {
        1: Field("metadata", "ObjectMeta"),
        2: _map("data"),
        3: _map("binaryData", "bytes"),
        4: Field("immutable", "bool", zero=True),
    },
    "Secret": {
        1: Field("metadata", "ObjectMeta"),
        2: _map("data", "bytes"),
        3: Field("type", _TEXT),
        4: _map("stringData"),
        5: Field("immutable", "bool", zero=True),
    },
    "Service": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "ServiceSpec"),
        3: Field("status", "ServiceStatus"),
    },
    "ServiceSpec": {
        1: Field("ports", "ServicePort", many=True),
        2: _map("selector"),
        3: Field("clusterIP", _TEXT),
        4: Field("type", _TEXT),
        5: _texts("externalIPs"),
        7: Field("sessionAffinity", _TEXT),
        10: Field("externalName", _TEXT),
    },
    "ServiceStatus": {1: Field("loadBalancer", "Nothing")},
    "ServicePort": {
        1: Field("name", _TEXT),
        2: Field("protocol", _TEXT),
        3: Field("port", "int"),
        4: Field("targetPort", "int-or-text"),
        5: Field("nodePort", "int"),
    },
    "Deployment": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "DeploymentSpec"),
        3: Field("status", "DeploymentStatus"),
    },
    "DeploymentSpec": {
        1: Field("replicas", "int", zero=True),
        2: Field("selector", "LabelSelector"),
        3: Field("template", "PodTemplateSpec"),
        4: Field("strategy", "DeploymentStrategy"),
        5: Field("minReadySeconds", "int"),
        6: Field("revisionHistoryLimit", "int", zero=True),
        7: Field("paused", "bool"),
        9: Field("progressDeadlineSeconds", "int", zero=True),
    },
    "DeploymentStatus": {n: Field("", "int") for n in (1, 2, 3, 4, 5, 7)},
    "DeploymentStrategy": {1: Field("type", _TEXT)},
    "LabelSelector": {1: _map("matchLabels")},
    "PodTemplateSpec": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "PodSpec")},
    "PodSpec": {
        2: Field("containers", "Container", many=True),
        3: Field("restartPolicy", _TEXT),
        4: Field("terminationGracePeriodSeconds", "int", zero=True),
        8: Field("serviceAccountName", _TEXT),
        10: Field("nodeName", _TEXT),
        20: Field("initContainers", "Container", many=True),
    },
    "Container": {
        1: Field("name", _TEXT),
        2: Field("image", _TEXT),
        3: _texts("command"),
        4: _texts("args"),
        5: Field("workingDir", _TEXT),
        6: Field("ports", "ContainerPort", many=True),
        7: Field("env", "EnvVar", many=True),
        8: Field("resources", "ResourceRequirements"),
        13: Field("terminationMessagePath", _TEXT),
        14: Field("imagePullPolicy", _TEXT),
    },
    "ContainerPort": {
        1: Field("name", _TEXT),
        2: Field("hostPort", "int"),
        3: Field("containerPort", "int"),
        4: Field("protocol", _TEXT),
        5: Field("hostIP", _TEXT),
    },
    "EnvVar": {1: Field("name", _TEXT), 2: Field("value", _TEXT)},
    "ResourceRequirements": {1: _map("limits", "quantity"), 2: _map("requests", "quantity")},
    "Quantity": {1: Field("string", _TEXT)},
    "Time": {1: Field("seconds", "int"), 2: Field("nanos", "int")},
    "IntOrString": {
        1: Field("type", "int"),
        2: Field("intVal", "int"),
        3: Field("strVal", _TEXT),
    },
    "SelfSubjectAccessReview": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "AccessSpec"),
        3: Field("status", "AccessStatus"),
    },
    "AccessSpec": {
        1: Field("resourceAttributes", "ResourceAttributes"),
        2: Field("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: Field("namespace", _TEXT),
        2: Field("verb", _TEXT),
        3: Field("group", _TEXT),
        4: Field("version", _TEXT),
        5: Field("resource", _TEXT),
        6: Field("subresource", _TEXT),
        7: Field("name", _TEXT),
    },
    "NonResourceAttributes": {1: Field("path", _TEXT), 2: Field("verb", _TEXT)},
    "AccessStatus": {
        1: Field("allowed", "bool"),
        2: Field("reason", _TEXT),
        3: Field("evaluationError", _TEXT),
        4: Field("denied", "bool"),
    },
    "SelfSubjectRulesReview": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "RulesSpec"),
        3: Field("status", "RulesStatus"),
    },
    "RulesSpec": {1: Field("namespace", _TEXT)},
    "RulesStatus": {3: Field("incomplete", "bool"), 4: Field("evaluationError", _TEXT)},
    "SelfSubjectReview": {1: Field("metadata", "ObjectMeta"), 2: Field("status", "WhoStatus")},
    "WhoStatus": {1: Field("userInfo", "Who")},
    "Who": {1: Field("username", _TEXT), 2: Field("uid", _TEXT)},
    "Nothing": {},
    "Unknown": {
        1: Field("typeMeta", "TypeMeta"),
        2: Field("raw", "raw"),
        3: Field("contentEncoding", _TEXT),
        4: Field("contentType", _TEXT),
    },
    "TypeMeta": {1: Field("apiVersion", _TEXT), 2: Field("kind", _TEXT)},
}
_READABLE = frozenset(
    [
        "Namespace",
        "ConfigMap",
        "Secret",
        "Service",
        "Deployment",
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SelfSubjectReview",
    ]
)


def decode_protobuf(body: bytes) -> dict[str, Any]:
    """The document as plain JSON values. Raises BadRequest (no protobuf of ours) and
    UnsupportedMedia (a kind or a field that is only read from JSON)."""
    if not body.startswith(_MAGIC):
        raise BadRequest("the body is not protobuf: it does not begin with k8s\\0")
    try:
        envelope = _message("Unknown", body[len(_MAGIC) :])
        head = envelope.get("typeMeta", {})
        if head.get("kind") not in _READABLE:
            raise UnsupportedMedia(
                f"a {head.get('kind', 'document')} is not read from protobuf: write it as a "
                "document and use kubectl create -f (accepted media types include: "
                "application/json, application/yaml)"
            )
        return {**head, **_message(head["kind"], envelope.get("raw", b""))}
    except (IndexError, UnicodeDecodeError) as why:
        raise BadRequest(f"the body is no whole protobuf message: {why}") from why


def _message(name: str, data: bytes) -> dict[str, Any]:
    known, out = MESSAGES[name], dict[str, Any]()
    for number, wire, value in _fields(data):
        field = known.get(number)
        if not value and (field is None or (wire == _VARINT and not field.zero)):
            continue
        if field is None:
            raise UnsupportedMedia(
                f"field {number} of {name} is not read from protobuf: write the object as a "
                "document and use kubectl create -f"
            )
        if field.map:
            key, item = _entry(field, value)
            out.setdefault(field.name, {})[key] = item
        elif field.many:
            out.setdefault(field.name, []).append(_value(field.kind, wire, value))
        elif field.name:
            out[field.name] = _value(field.kind, wire, value)
    return {k: v for k, v in out.items() if v is not None and v != ""}


def _entry(field: Field, data: Any) -> tuple[str, Any]:
    parts: dict[int, bytes] = {1: b"", 2: b""}
    for number, wire, value in _fields(data) if isinstance(data, bytes) else ():
        if wire != _BYTES:
            raise _strange()
        parts[number] = value
    return parts[1].decode(), _value(field.kind, _BYTES, parts[2])


def _value(kind: str, wire: int, value: Any) -> Any:
    if (wire == _VARINT) != (kind in ("int", "bool")) or wire not in (_VARINT, _BYTES):
        raise _strange()
    match kind:
        case "text":
            return value.decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "raw":
            return value
        case "int":
            return value - (1 << 64) if value >> 63 else value
        case "bool":
            return bool(value)
        case "quantity":
            return _message("Quantity", value).get("string", "0")
        case "time":
            seconds = _message("Time", value).get("seconds", 0)
            return timestamp(seconds) if 0 < seconds < _YEAR_10000_S else None
        case "int-or-text":
            either = _message("IntOrString", value)
            return either.get("strVal", "") if either.get("type") else either.get("intVal", 0)
        case _:
            return _message(kind, value)


def _strange() -> BadRequest:
    return BadRequest("the body is no protobuf message of this kind")


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field. Raises IndexError when it ends too soon."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, wire, value
            continue
        size, at = (8, at) if wire == _I64 else (4, at) if wire == _I32 else _varint(data, at)
        if at + size > len(data):
            raise IndexError("it ends in the middle of a field")
        yield tag >> 3, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise IndexError("a number in it is too long")
