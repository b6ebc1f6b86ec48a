"""What Kubernetes demands of every object's metadata, and of selectors.

Source: apimachinery pkg/api/validation/objectmeta.go, pkg/apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidegate.model import labels
from tidegate.model.admission.problems import (
    IMMUTABLE,
    GoText,
    Problems,
    each_invalid,
    forbidden,
    invalid,
    required,
    too_long,
)
from tidegate.model.errors import Cause
from tidegate.model.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta

NameRule = Callable[[str], tuple[str, ...]]
ANNOTATIONS_MOST_BYTES = 256 * 1024


def check_metadata(meta: ObjectMeta, rule: NameRule, path: str = "metadata") -> Problems:
    """Name (by the kind's rule), labels, annotations, finalizers, owners."""
    found: Problems = []
    if meta.generate_name:
        prefix = meta.generate_name.rstrip("-") or meta.generate_name
        found += each_invalid(f"{path}.generateName", meta.generate_name, rule(prefix))
    if meta.name:
        found += each_invalid(f"{path}.name", meta.name, rule(meta.name))
    elif not meta.generate_name:
        found.append(required(f"{path}.name", "name or generateName is required"))
    if meta.namespace:
        problems = labels.dns1123_label(meta.namespace)
        found += each_invalid(f"{path}.namespace", meta.namespace, problems)
    return (
        found
        + check_labels(meta.labels, f"{path}.labels")
        + check_annotations(meta.annotations, f"{path}.annotations")
        + _check_references(meta, path)
    )


def check_template_metadata(meta: ObjectMeta | None, path: str) -> Problems:
    """A pod template's metadata: only labels and annotations mean something there."""
    if meta is None:
        return []
    return check_labels(meta.labels, f"{path}.labels") + check_annotations(
        meta.annotations, f"{path}.annotations"
    )


def check_labels(values: Mapping[str, str], path: str) -> Problems:
    found: Problems = []
    for key, value in values.items():
        found += each_invalid(path, key, labels.qualified_name(key))
        found += each_invalid(path, value, labels.label_value(value))
    return found


def check_annotations(values: Mapping[str, str], path: str) -> Problems:
    found: Problems = []
    for key in values:
        found += each_invalid(path, key, labels.qualified_name(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in values.items())
    if size > ANNOTATIONS_MOST_BYTES:
        found.append(too_long(path, ANNOTATIONS_MOST_BYTES))
    return found


def check_metadata_change(meta: ObjectMeta, old: ObjectMeta, path: str = "metadata") -> Problems:
    """What an update may not touch. Fields left out by the caller count as unchanged."""
    fields = (
        ("name", meta.name, old.name),
        ("namespace", meta.namespace, old.namespace),
        ("uid", meta.uid, old.uid),
        ("creationTimestamp", meta.creation_timestamp, old.creation_timestamp),
    )
    return [
        invalid(f"{path}.{name}", now, IMMUTABLE)
        for name, now, was in fields
        if now and was and now != was
    ]


def _check_references(meta: ObjectMeta, path: str) -> Problems:
    found: Problems = []
    for finalizer in meta.finalizers:
        found += each_invalid(f"{path}.finalizers", finalizer, labels.qualified_name(finalizer))
    for i, ref in enumerate(meta.owner_references):
        here = f"{path}.ownerReferences[{i}]"
        for field, text in (
            ("apiVersion", ref.api_version),
            ("kind", ref.kind),
            ("name", ref.name),
            ("uid", ref.uid),
        ):
            if not text:
                found.append(invalid(f"{here}.{field}", text, "must not be empty"))
    if sum(bool(ref.controller) for ref in meta.owner_references) > 1:
        found.append(
            invalid(
                f"{path}.ownerReferences",
                [ref.name for ref in meta.owner_references if ref.controller],
                "Only one reference can have Controller set to true",
            )
        )
    return found


# --- selectors


def check_selector(selector: LabelSelector, path: str) -> Problems:
    found = check_labels(selector.match_labels, f"{path}.matchLabels")
    for i, term in enumerate(selector.match_expressions):
        found += _check_term(term, f"{path}.matchExpressions[{i}]")
    return found


def _check_term(term: LabelSelectorRequirement, path: str) -> Problems:
    found: list[Cause] = []
    match term.operator:
        case "In" | "NotIn":
            if not term.values:
                found.append(
                    required(
                        f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"
                    )
                )
        case "Exists" | "DoesNotExist":
            if term.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                found.append(forbidden(f"{path}.values", detail))
        case _:
            found.append(
                invalid(f"{path}.operator", term.operator, "not a valid selector operator")
            )
    found += each_invalid(f"{path}.key", term.key, labels.qualified_name(term.key))
    for i, value in enumerate(term.values):
        found += each_invalid(f"{path}.values[{i}]", value, labels.label_value(value))
    return found


def selector_shown(selector: LabelSelector) -> GoText:
    """A selector in Go's notation, as refusals print it."""
    pairs = ", ".join(f'"{k}":"{v}"' for k, v in sorted(selector.match_labels.items()))
    terms = ", ".join(
        f'v1.LabelSelectorRequirement{{Key:"{t.key}", Operator:"{t.operator}", '
        f"Values:[]string{{{', '.join(chr(34) + v + chr(34) for v in t.values)}}}}}"
        for t in selector.match_expressions
    )
    listed = f"{{{terms}}}" if terms else "(nil)"
    return GoText(
        f"v1.LabelSelector{{MatchLabels:map[string]string{{{pairs}}}, "
        f"MatchExpressions:[]v1.LabelSelectorRequirement{listed}}}"
    )
