"""Metadata of Knative's objects: names, owners, and who made or changed them.

Source: knative serving pkg/apis/serving/metadata_validation.go, knative.dev/pkg/apis.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.kit.quantity import parse_quantity
from tidegate.model import labels
from tidegate.model.admission.knative.settings import AnnotationChecks
from tidegate.model.admission.knative.words import (
    Errors,
    invalid_value,
    listed,
    missing,
    under,
)
from tidegate.model.field_errors import FieldError
from tidegate.model.meta import ObjectMeta, touched
from tidegate.model.serving_names import CREATOR, GROUP, LAST_MODIFIER, VISIBILITY

#: Resources of the queue-proxy, in their order of age.
SIDECAR = "queue.sidecar.serving.knative.dev/"
SIDECAR_PERCENTAGE = ("resource-percentage", "resourcePercentage")


def with_user(meta: ObjectMeta, user: str, *, creating: bool, changed: bool) -> ObjectMeta:
    """Who created it and who changed its spec last. Objects that have an owner get neither."""
    if meta.owner_references or not (creating or changed):
        return meta
    marks = {CREATOR: user, LAST_MODIFIER: user} if creating else {LAST_MODIFIER: user}
    return touched(meta, annotations={**meta.annotations, **marks})


def check_user(meta: ObjectMeta, old: ObjectMeta, *, changed: bool) -> Errors:
    if meta.owner_references:
        return []
    found: Errors = []
    path = "metadata.annotations"
    if meta.annotations.get(CREATOR) != old.annotations.get(CREATOR):
        found.append(FieldError("annotation value is immutable", (f"{path}.{CREATOR}",)))
    now = meta.annotations.get(LAST_MODIFIER, "")
    if not changed and now != old.annotations.get(LAST_MODIFIER, ""):
        found.append(invalid_value(now, f"{path}.{LAST_MODIFIER}"))
    return found


def check_name(meta: ObjectMeta) -> Errors:
    """Names become host names, so they are DNS-1035 labels."""
    if meta.generate_name:
        problems = labels.dns1035_label(meta.generate_name.rstrip("-") or meta.generate_name)
        if problems:
            message = f"not a DNS 1035 label prefix: {listed(problems)}"
            return [FieldError(message, ("metadata.generateName",))]
    if meta.name:
        problems = labels.dns1035_label(meta.name)
        if problems:
            return [FieldError(f"not a DNS 1035 label: {listed(problems)}", ("metadata.name",))]
    elif not meta.generate_name:
        return [FieldError("name or generateName is required", ("metadata.name",))]
    return []


def check_annotations(meta: ObjectMeta, checks: AnnotationChecks) -> Errors:
    """Those of a Service's, Configuration's or Route's own metadata."""
    found = list(checks.no_autoscaling(meta.annotations))
    found += _under_annotations(checks.routing(meta.annotations), "metadata")
    return found + _under_annotations(checks.rollout_duration(meta.annotations), "metadata")


def check_autoscaling(meta: ObjectMeta, checks: AnnotationChecks, path: str) -> Errors:
    """Autoscaling annotations where they belong; `path` is that of the metadata."""
    return _under_annotations(checks.autoscaling(meta.annotations), path)


def check_template_annotations(meta: ObjectMeta, checks: AnnotationChecks, path: str) -> Errors:
    """Those that a revision's template may carry."""
    found = check_autoscaling(meta, checks, path)
    found += _under_annotations(checks.progress_deadline(meta.annotations), path)
    for key in sorted(meta.annotations):
        if key.startswith(SIDECAR):
            found += _check_sidecar(key, meta.annotations[key], f"{path}.annotations.[{key}]")
    return found


def _under_annotations(errors: Sequence[FieldError], path: str) -> Errors:
    return [under(f"{path}.annotations", error) for error in errors]


def _check_sidecar(key: str, text: str, path: str) -> Errors:
    name = key.removeprefix(SIDECAR)
    try:
        if name in SIDECAR_PERCENTAGE:
            value = float(text)
            if not 0.1 <= value <= 100:
                return [FieldError(f"expected 0.1 <= {value:g} <= 100", (path,))]
        elif "-resource-" in name:
            parse_quantity(text)
    except ValueError:
        return [invalid_value(text, path)]
    return []


def check_visibility(meta: ObjectMeta) -> Errors:
    value = meta.labels.get(VISIBILITY)
    if value in (None, "cluster-local"):
        return []
    return [invalid_value(value, f"metadata.labels.{VISIBILITY}")]


def check_owned_label(meta: ObjectMeta, kinds: Sequence[str]) -> Errors:
    """A label that names a Service or Configuration needs the owner reference to it."""
    found: Errors = []
    for kind in kinds:
        key = f"{GROUP}/{kind.lower()}"
        name = meta.labels.get(key)
        if name is None:
            continue
        if not any(ref.kind == kind and ref.name == name for ref in meta.owner_references):
            found.append(missing(f"metadata.labels.{key}"))
    return found
