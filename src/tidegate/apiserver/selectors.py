"""Label and field selectors as they come in a query. Pure.

Source: apimachinery pkg/labels/selector.go, pkg/fields/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidegate.model.core import Event, Pod
from tidegate.model.errors import BadRequest
from tidegate.model.kinds import kind_of
from tidegate.model.meta import LabelSelector, Object

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"[-A-Za-z0-9_.]*"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")


@dataclass(frozen=True, slots=True)
class LabelTerm:
    """`values` None: only the presence counts. `wanted` False turns it round."""

    key: str
    values: frozenset[str] | None
    wanted: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        if self.values is None:
            return (self.key in labels) is self.wanted
        return (labels.get(self.key) in self.values) is self.wanted


def parse_labels(text: str) -> tuple[LabelTerm, ...]:
    """The terms of a label selector; all must hold. Raises BadRequest."""
    terms, at = [], 0
    text = text.strip()
    while at < len(text):
        term, at = _label_term(text, at)
        terms.append(term)
        while at < len(text) and text[at] == " ":
            at += 1
        if at < len(text):
            if text[at] != ",":
                raise _bad_label(text, at)
            at += 1
            while at < len(text) and text[at] == " ":
                at += 1
    return tuple(terms)


def _label_term(text: str, at: int) -> tuple[LabelTerm, int]:
    if match := _SET.match(text, at):
        values = frozenset(v.strip() for v in match[3].split(","))
        return LabelTerm(match[1], values, match[2] == "in"), match.end()
    if match := _EQUAL.match(text, at):
        return LabelTerm(match[1], frozenset([match[3]]), match[2] != "!="), match.end()
    if match := _EXISTS.match(text, at):
        return LabelTerm(match[2], None, not match[1]), match.end()
    raise _bad_label(text, at)


def _bad_label(text: str, at: int) -> BadRequest:
    return BadRequest(
        f'unable to parse requirement in labelSelector "{text}" at position {at}: write terms '
        "like a=b, a!=b, a in (x,y), a notin (x), a, !a, separated by commas"
    )


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


def label_text(selector: LabelSelector) -> str:
    """A LabelSelector as one string, the way `status.selector` of a Scale has it."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        match term.operator:
            case "In" | "NotIn":
                parts.append(
                    f"{term.key} {term.operator.lower()} ({','.join(sorted(term.values))})"
                )
            case "Exists":
                parts.append(term.key)
            case _:
                parts.append(f"!{term.key}")
    return ",".join(parts)
