"""Revision specs and the templates that make them.

Source: knative serving pkg/apis/serving/v1/revision_validation.go.
"""

from __future__ import annotations

from tidegate.model import labels
from tidegate.model.admission.knative.object_meta import check_template_annotations
from tidegate.model.admission.knative.pod_specs import check_pod_spec
from tidegate.model.admission.knative.settings import RevisionDefaults, Settings
from tidegate.model.admission.knative.words import (
    Errors,
    changes_shown,
    disallowed,
    invalid_value,
    listed,
    out_of_bounds,
)
from tidegate.model.field_errors import FieldError
from tidegate.model.meta import ObjectMeta
from tidegate.model.serving import RevisionSpec, RevisionTemplateSpec

_PATH = "spec.template"
_GENERATED_LENGTH = 5


def check_template(
    template: RevisionTemplateSpec, settings: Settings, *, parent: ObjectMeta, creating: bool
) -> Errors:
    meta = template.metadata or ObjectMeta()
    found = check_revision_spec(template.spec, settings, f"{_PATH}.spec")
    found += check_template_annotations(meta, settings.checks, f"{_PATH}.metadata")
    return found + _check_name(meta, parent, creating=creating)


def check_revision_spec(spec: RevisionSpec, settings: Settings, path: str) -> Errors:
    defaults = settings.defaults
    found = check_pod_spec(spec, settings.features, path)
    timeout_s = spec.timeout_seconds
    if timeout_s is not None and not 0 <= timeout_s <= defaults.max_timeout_s:
        here = f"{path}.timeoutSeconds"
        found.append(out_of_bounds(timeout_s, 0, defaults.max_timeout_s, here))
    here = f"{path}.containerConcurrency"
    return found + check_concurrency(spec.container_concurrency, defaults, here)


def check_concurrency(value: int | None, defaults: RevisionDefaults, path: str) -> Errors:
    least = 0 if defaults.allow_zero_concurrency else 1
    if value is None or least <= value <= defaults.max_concurrency:
        return []
    return [out_of_bounds(value, least, defaults.max_concurrency, path)]


def _check_name(meta: ObjectMeta, parent: ObjectMeta, *, creating: bool) -> Errors:
    """A revision name of the user's choice starts with its parent's name."""
    path = f"{_PATH}.metadata.name"
    if meta.generate_name:
        problems = labels.dns1035_label(meta.generate_name.rstrip("-") or meta.generate_name)
        if problems:
            value = f"not a DNS 1035 label prefix: {listed(problems)}"
            return [invalid_value(value, f"{_PATH}.metadata.generateName")]
    if not meta.name:
        return []
    problems = labels.dns1035_label(meta.name)
    if problems:
        return [invalid_value(f"not a DNS 1035 label: {listed(problems)}", path)]
    if creating and _is_generated(parent):
        return [disallowed(path)]
    prefix = f"{parent.name}-"
    if not meta.name.startswith(prefix):
        return [invalid_value(f'"{meta.name}" must have prefix "{prefix}"', path)]
    return []


def _is_generated(meta: ObjectMeta) -> bool:
    """Whether the name is one that the server made up: nobody can have known it beforehand."""
    prefix = meta.generate_name or ""
    suffix = meta.name.removeprefix(prefix)
    return bool(prefix) and meta.name.startswith(prefix) and len(suffix) == _GENERATED_LENGTH


def check_template_change(template: RevisionTemplateSpec, old: RevisionTemplateSpec) -> Errors:
    """A template with a name of its own needs a new one for every change."""
    name = template.metadata.name if template.metadata else ""
    was = old.metadata.name if old.metadata else ""
    if not name or name != was or template == old:
        return []
    message = "Saw the following changes without a name change (-old +new)"
    details = changes_shown(old, template)
    return [FieldError(message, (f"{_PATH}.metadata.name",), details)]


def check_revision_change(spec: RevisionSpec, old: RevisionSpec) -> Errors:
    if spec == old:
        return []
    message = "Immutable fields changed (-old +new)"
    return [FieldError(message, ("spec",), changes_shown(old, spec))]
