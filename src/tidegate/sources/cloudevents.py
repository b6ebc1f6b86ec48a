"""CloudEvents 1.0 as values, and their forms on HTTP and in Kafka: binary and structured.

Source: the CloudEvents specification 1.0.2, its HTTP and Kafka protocol bindings and JSON format.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch"
_NEEDED: Final = ("id", "source", "type")
_NAME: Final = re.compile(r"[a-z0-9]+")
_PLAIN: Final = re.compile(r"[!#$&-~]*")  # what a header value carries as it is
_JSON_TYPE: Final = re.compile(r"[^;]*[/+]json\s*(;.*)?", re.IGNORECASE)

HttpHeaders = tuple[tuple[str, str], ...]
KafkaHeaders = tuple[tuple[str, bytes | None], ...]


class NotAnEvent(Exception):
    """What should be a CloudEvent isn't; the sentence says what it lacks."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An event. `attributes` has all context attributes and extensions as strings, but
    `specversion` (always 1.0) and `datacontenttype`. `data` None: there is none."""

    attributes: Mapping[str, str]
    data: bytes | None = None
    content_type: str | None = None

    def __post_init__(self) -> None:
        for name in _NEEDED:
            if not self.attributes.get(name):
                raise NotAnEvent(f"the event has no {name!r}")

    def with_extensions(self, more: Mapping[str, str]) -> CloudEvent:
        """The same with these attributes set."""
        return CloudEvent({**self.attributes, **more}, self.data, self.content_type)


def is_name(name: str) -> bool:
    """Whether an attribute may be called so: lower-case letters and digits."""
    return _NAME.fullmatch(name) is not None


def to_http(event: CloudEvent) -> tuple[HttpHeaders, bytes]:
    """The binary content mode: headers (without the length) and body."""
    headers = [("ce-specversion", "1.0")]
    headers += [("ce-" + name, header_value(value)) for name, value in event.attributes.items()]
    if event.content_type is not None and event.data is not None:
        headers.append(("content-type", _one_line(event.content_type)))
    return tuple(headers), event.data or b""


def header_value(value: str) -> str:
    """As the HTTP binding (3.1.3.2) encodes values: percent signs for all but plain ASCII."""
    if _PLAIN.fullmatch(value):
        return value
    out = []
    for char in value:
        if _PLAIN.fullmatch(char):
            out.append(char)
        else:
            out += [f"%{byte:02X}" for byte in char.encode("utf-8", "replace")]
    return "".join(out)


def from_http(headers: Iterable[tuple[str, str]], body: bytes) -> CloudEvent | None:
    """The event of a request or an answer, binary or structured; names of headers in any case. None:
    there is none in it. Raises `NotAnEvent` for one that is damaged, and for batches."""
    attributes, content_type, version = {}, None, None
    for raw, value in headers:
        name = raw.lower()
        if name == "content-type":
            content_type = value
        elif name == "ce-specversion":
            version = value
        elif name.startswith("ce-") and is_name(name[3:]):
            attributes[name[3:]] = _decoded(value)
    if content_type is not None and content_type.lower().startswith("application/cloudevents"):
        return from_structured(content_type, body)
    if version is None:
        return None
    _check_version(version)
    return CloudEvent(attributes, body or None, content_type)


def from_structured(content_type: str, body: bytes) -> CloudEvent:
    """The event that a JSON text is. Raises `NotAnEvent`."""
    kind = content_type.lower()
    if kind.startswith(BATCH):
        raise NotAnEvent("batches of events are not taken: send them one by one")
    if not kind.startswith(STRUCTURED):
        raise NotAnEvent(f"events in the format {content_type!r} are not understood, only JSON")
    try:
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise NotAnEvent("the event is no JSON object")
        return _of_fields(fields)
    except UnicodeEncodeError as why:
        raise NotAnEvent(f"the event has text that is no Unicode: {why}") from why
    except ValueError as why:
        raise NotAnEvent(f"the event is no JSON: {why}") from why
    except RecursionError as why:
        raise NotAnEvent("the event is JSON that is nested too deep") from why


def _of_fields(fields: dict[str, Any]) -> CloudEvent:
    """Raises `NotAnEvent`, UnicodeEncodeError."""
    _check_version(fields.pop("specversion", None))
    inner = fields.pop("datacontenttype", None)
    inner = None if inner is None else _text("datacontenttype", inner)
    data = _data_of(fields, inner)
    attributes = {name: _text(name, value) for name, value in fields.items() if value is not None}
    inner = inner or ("application/json" if data is not None else None)
    return CloudEvent(attributes, data, inner)


def to_structured(event: CloudEvent) -> bytes:
    """The event as one JSON text."""
    fields: dict[str, Any] = {"specversion": "1.0", **event.attributes}
    if event.content_type is not None:
        fields["datacontenttype"] = event.content_type
    if event.data is not None:
        fields |= _json_data(event.data, event.content_type)
    return json.dumps(fields, separators=(",", ":")).encode()


def to_kafka(event: CloudEvent, *, structured: bool) -> tuple[KafkaHeaders, bytes | None]:
    """A record's headers and value."""
    if structured:
        return (("content-type", f"{STRUCTURED}; charset=UTF-8".encode()),), to_structured(event)
    headers = [("ce_specversion", b"1.0")]
    headers += [("ce_" + name, value.encode()) for name, value in event.attributes.items()]
    if event.content_type is not None:
        headers.append(("content-type", event.content_type.encode()))
    return tuple(headers), event.data


def from_kafka(headers: KafkaHeaders, value: bytes | None) -> CloudEvent | None:
    """The event that a record is, binary or structured. None: it is an ordinary record, or says that
    it were an event and isn't: then it is treated as an ordinary one, as Knative does."""
    names = {name.lower(): content or b"" for name, content in headers}
    content_type = names.get("content-type", b"").decode("utf-8", "replace")
    structured = content_type.lower().startswith(STRUCTURED)
    if not structured and "ce_specversion" not in names:
        return None
    try:
        if structured:
            return from_structured(content_type, value or b"")
        _check_version(names["ce_specversion"].decode("utf-8", "replace"))
        attributes = {
            name[3:]: content.decode()
            for name, content in names.items()
            if name.startswith("ce_") and name != "ce_specversion" and is_name(name[3:])
        }
        return CloudEvent(attributes, value, content_type or None)
    except (NotAnEvent, UnicodeDecodeError):
        return None


def _check_version(version: object) -> None:
    if version != "1.0":
        raise NotAnEvent(f"specversion is {version!r}, not '1.0'")


def _data_of(fields: dict[str, Any], content_type: str | None) -> bytes | None:
    packed, data = fields.pop("data_base64", None), fields.pop("data", None)
    if packed is not None:
        try:
            return base64.b64decode(packed, validate=True)
        except (binascii.Error, TypeError, ValueError) as why:
            raise NotAnEvent("data_base64 is not base64") from why
    if data is None:
        return None
    if isinstance(data, str) and content_type and not _JSON_TYPE.fullmatch(content_type):
        return data.encode()
    return json.dumps(data, separators=(",", ":")).encode()


def _json_data(data: bytes, content_type: str | None) -> dict[str, Any]:
    try:
        if content_type is None or _JSON_TYPE.fullmatch(content_type):
            return {"data": json.loads(data, parse_constant=_no_constant, parse_float=_finite)}
        return {"data": data.decode()}
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return {"data_base64": base64.b64encode(data).decode()}


def _no_constant(text: str) -> Any:
    """NaN and Infinity, which Python writes and JSON doesn't have."""
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # it could not be written again
        raise ValueError(text)
    return number


def _text(name: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int():
            text = str(value)
            text.encode()  # half a surrogate pair is no text that could go on
        case _:
            raise NotAnEvent(f"attribute {name!r} is neither text nor a whole number nor a boolean")
    if not is_name(name):
        raise NotAnEvent(f"attribute {name!r}: names are lower-case letters and digits")
    return text


def _decoded(value: str) -> str:
    if "%" not in value and value.isascii():
        return value
    return unquote_to_bytes(value.encode("latin-1", "replace")).decode("utf-8", "replace")


def _one_line(value: str) -> str:
    return "".join(char for char in value if char.isprintable() and char.isascii())
