"""What every object has: metadata, conditions, references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tidegate.model.wire import Wire, always


class OwnerReference(Wire, frozen=True, kw_only=True):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Wire, frozen=True, kw_only=True):
    """`deletion_timestamp` set means: going away, waiting for `finalizers` or a grace period."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: Any = None
    self_link: str | None = None


class TemplateMeta(ObjectMeta, frozen=True, kw_only=True):
    """Metadata of a template: the same fields, most of them meaningless there."""


class Condition(Wire, frozen=True, kw_only=True):
    """`status` is True, False or Unknown. `severity` Info: doesn't count for Ready (Knative)."""

    type: str
    status: str = always("Unknown")
    severity: str | None = None
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None
    last_update_time: str | None = None
    last_probe_time: str | None = None
    observed_generation: int | None = None


class Object(Wire, frozen=True, kw_only=True):
    """Base of every kind. `apiVersion` and `kind` are not fields: `model.kinds` knows them by type and
    puts them in front when an object is rendered."""

    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace or "", self.metadata.name)


class Key(NamedTuple):
    """Namespace (empty for cluster-scoped kinds) and name: what a reconciler gets."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ObjectReference(Wire, frozen=True, kw_only=True):
    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    field_path: str | None = None


class LabelSelectorRequirement(Wire, frozen=True, kw_only=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Wire, frozen=True, kw_only=True):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected. An empty selector selects everything."""
        return all(labels.get(k) == v for k, v in self.match_labels.items()) and all(
            _holds(term, labels) for term in self.match_expressions
        )


def _holds(term: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    match term.operator:
        case "In":
            return labels.get(term.key) in term.values
        case "NotIn":
            return labels.get(term.key) not in term.values
        case "Exists":
            return term.key in labels
        case "DoesNotExist":
            return term.key not in labels
        case _:
            return False


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The owner that controls this object, if any."""
    return next((ref for ref in meta.owner_references if ref.controller), None)


def owner_reference(kind: str, api_version: str, owner: ObjectMeta) -> OwnerReference:
    """A controlling reference to an object that is stored (so it has a uid)."""
    assert owner.uid is not None
    return OwnerReference(
        api_version=api_version,
        kind=kind,
        name=owner.name,
        uid=owner.uid,
        controller=True,
        block_owner_deletion=True,
    )


def touched(meta: ObjectMeta, **changes: Any) -> ObjectMeta:
    """The metadata with some fields changed."""
    return msgspec.structs.replace(meta, **changes)
