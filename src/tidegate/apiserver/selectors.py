"""Label and field selectors as they come in a query. Pure.

Source: apimachinery pkg/fields/selector.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidegate.model.core import Event
from tidegate.model.errors import BadRequest
from tidegate.model.kinds import kind_of
from tidegate.model.label_text import BadSelector, LabelTerm, parse_selector
from tidegate.model.meta import Object
from tidegate.model.pods import Pod


def parse_labels(text: str) -> tuple[LabelTerm, ...]:
    """The terms of a label selector; all must hold. Raises BadRequest."""
    try:
        return parse_selector(text)
    except BadSelector as why:
        raise BadRequest(str(why)) from why


@dataclass(frozen=True, slots=True)
class FieldTerm:
    read: Callable[[Object], str]
    value: str
    wanted: bool

    def holds(self, obj: Object) -> bool:
        return (self.read(obj) == self.value) is self.wanted


def parse_fields(text: str, type_: type[Object]) -> tuple[FieldTerm, ...]:
    """The terms of a field selector for one kind; all must hold. Raises BadRequest."""
    known = fields_of(type_)
    terms = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, operator, value = _split(part)
        if name not in known:
            names = ", ".join(f'"{n}"' for n in sorted(known))
            raise BadRequest(f'"{name}" is not a known field selector: only {names}')
        terms.append(FieldTerm(known[name], value, operator))
    return tuple(terms)


def _split(part: str) -> tuple[str, bool, str]:
    for sign, wanted in (("!=", False), ("==", True), ("=", True)):
        name, found, value = part.partition(sign)
        if found:
            return name.strip(), wanted, value.strip()
    raise BadRequest(f"invalid field selector: '{part}': write terms like metadata.name=x")


def fields_of(type_: type[Object]) -> dict[str, Callable[[Object], str]]:
    """Field names that a selector of this kind may use, and how they are read."""
    out = {"metadata.name": _reader("metadata", "name")}
    if kind_of(type_).namespaced:
        out["metadata.namespace"] = _reader("metadata", "namespace")
    extra = _MORE.get(type_, {})
    return out | {name: _reader(*path) for name, path in extra.items()}


_MORE: Mapping[type[Object], Mapping[str, tuple[str, ...]]] = {
    Pod: {
        "spec.nodeName": ("spec", "node_name"),
        "spec.restartPolicy": ("spec", "restart_policy"),
        "spec.schedulerName": ("spec", "scheduler_name"),
        "spec.serviceAccountName": ("spec", "service_account_name"),
        "status.phase": ("status", "phase"),
        "status.podIP": ("status", "pod_ip"),
    },
    Event: {
        "involvedObject.kind": ("involved_object", "kind"),
        "involvedObject.namespace": ("involved_object", "namespace"),
        "involvedObject.name": ("involved_object", "name"),
        "involvedObject.uid": ("involved_object", "uid"),
        "involvedObject.apiVersion": ("involved_object", "api_version"),
        "involvedObject.resourceVersion": ("involved_object", "resource_version"),
        "involvedObject.fieldPath": ("involved_object", "field_path"),
        "reason": ("reason",),
        "reportingComponent": ("reporting_component",),
        "source": ("source", "component"),
        "type": ("type",),
    },
}


def _reader(*path: str) -> Callable[[Object], str]:
    def read(obj: Object) -> str:
        value: object = obj
        for step in path:
            value = getattr(value, step, None)
        return "" if value is None else str(value)

    return read


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind somebody asked for. `namespace` None: all."""

    type: type[Object]
    namespace: str | None = None
    labels: tuple[LabelTerm, ...] = ()
    fields: tuple[FieldTerm, ...] = ()

    def holds(self, obj: Object) -> bool:
        return (
            (self.namespace is None or obj.metadata.namespace == self.namespace)
            and all(term.holds(obj.metadata.labels) for term in self.labels)
            and all(term.holds(obj) for term in self.fields)
        )
