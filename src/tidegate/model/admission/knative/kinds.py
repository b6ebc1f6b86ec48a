"""Admission of Knative's kinds: defaults, then everything that is wrong in one refusal.

Source: knative serving pkg/apis/serving/v1/*_{defaults,validation}.go and
pkg/apis/autoscaling/v1alpha1/pa_{defaults,validation}.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from tidegate.model import labels
from tidegate.model.admission.knative import object_meta
from tidegate.model.admission.knative.defaults import default_revision_spec, default_traffic
from tidegate.model.admission.knative.domain_mappings import (
    admit_domain_claim,
    admit_domain_mapping,
)
from tidegate.model.admission.knative.settings import Settings
from tidegate.model.admission.knative.templates import (
    check_concurrency,
    check_revision_change,
    check_revision_spec,
    check_template,
    check_template_change,
)
from tidegate.model.admission.knative.traffic import check_traffic
from tidegate.model.admission.knative.words import Errors, invalid_value, missing
from tidegate.model.domains import ClusterDomainClaim, DomainMapping
from tidegate.model.errors import BadRequest
from tidegate.model.field_errors import knative_text
from tidegate.model.meta import Object, ObjectMeta, ObjectReference, touched
from tidegate.model.serving import (
    Configuration,
    PodAutoscaler,
    PodAutoscalerSpec,
    Revision,
    RevisionTemplateSpec,
    Route,
    Service,
)

ObjectT = TypeVar("ObjectT", bound=Object)
WEBHOOK = "validation.webhook.serving.knative.dev"
_CLASS = "autoscaling.knative.dev/class"
_METRIC = "autoscaling.knative.dev/metric"
_METRIC_OF_CLASS: Mapping[str, str] = {
    "kpa.autoscaling.knative.dev": "concurrency",
    "hpa.autoscaling.knative.dev": "cpu",
}
_REACHABILITY = ("", "Unknown", "Reachable", "Unreachable")


def admit_knative(obj: ObjectT, old: ObjectT | None, settings: Settings, *, user: str) -> ObjectT:
    """The object with defaults and marks of its user. Raises `BadRequest` as the webhook does."""
    admit: Callable[..., tuple[Any, Errors]] = KNATIVE[type(obj)]
    admitted: ObjectT
    admitted, found = admit(obj, old, settings, user)
    if found:
        raise refused(WEBHOOK, knative_text(found))
    return admitted


def refused(webhook: str, text: str) -> BadRequest:
    """A refusal as a cluster words it that got it from a webhook."""
    return BadRequest(
        f'admission webhook "{webhook}" denied the request: validation failed: {text}'
    )


def _service(
    service: Service, old: Service | None, settings: Settings, user: str
) -> tuple[Service, Errors]:
    meta, spec = service.metadata, service.spec
    spec = replace(
        spec,
        template=_template(spec.template, settings, meta, creating=old is None),
        traffic=default_traffic(spec.traffic, of_service=True),
    )
    changed = old is not None and spec != old.spec
    meta = object_meta.with_user(meta, user, creating=old is None, changed=changed)
    found = object_meta.check_name(meta)
    found += object_meta.check_annotations(meta, settings.checks)
    found += object_meta.check_visibility(meta)
    found += check_template(spec.template, settings, parent=meta, creating=old is None)
    found += check_traffic(spec.traffic, of_service=True)
    if old is not None:
        found += object_meta.check_user(meta, old.metadata, changed=changed)
        found += check_template_change(spec.template, old.spec.template)
    return replace(service, metadata=meta, spec=spec), found


def _configuration(
    configuration: Configuration, old: Configuration | None, settings: Settings, user: str
) -> tuple[Configuration, Errors]:
    meta, spec = configuration.metadata, configuration.spec
    spec = replace(spec, template=_template(spec.template, settings, meta, creating=old is None))
    changed = old is not None and spec != old.spec
    meta = object_meta.with_user(meta, user, creating=old is None, changed=changed)
    found = object_meta.check_name(meta)
    found += object_meta.check_annotations(meta, settings.checks)
    found += object_meta.check_owned_label(meta, ("Service",))
    found += check_template(spec.template, settings, parent=meta, creating=old is None)
    if old is not None:
        found += object_meta.check_user(meta, old.metadata, changed=changed)
        found += check_template_change(spec.template, old.spec.template)
    return replace(configuration, metadata=meta, spec=spec), found


def _route(route: Route, old: Route | None, settings: Settings, user: str) -> tuple[Route, Errors]:
    meta = route.metadata
    spec = replace(route.spec, traffic=default_traffic(route.spec.traffic, of_service=False))
    changed = old is not None and spec != old.spec
    meta = object_meta.with_user(meta, user, creating=old is None, changed=changed)
    found = object_meta.check_name(meta)
    found += object_meta.check_annotations(meta, settings.checks)
    found += object_meta.check_owned_label(meta, ("Service",))
    found += object_meta.check_visibility(meta)
    found += check_traffic(spec.traffic, of_service=False)
    if old is not None:
        found += object_meta.check_user(meta, old.metadata, changed=changed)
    return replace(route, metadata=meta, spec=spec), found


def _revision(
    revision: Revision, old: Revision | None, settings: Settings, user: str
) -> tuple[Revision, Errors]:
    """Defaulted once, when made; then fixed but for its metadata."""
    meta, spec = revision.metadata, revision.spec
    found = object_meta.check_name(meta) + object_meta.check_owned_label(meta, ("Configuration",))
    found += object_meta.check_autoscaling(meta, settings.checks, "metadata")
    if old is None:
        spec = default_revision_spec(spec, settings, parent=meta, creating=True)
        found += check_revision_spec(spec, settings, "spec")
    else:
        found += check_revision_change(spec, old.spec)
    return replace(revision, spec=spec), found


def _pod_autoscaler(
    autoscaler: PodAutoscaler, old: PodAutoscaler | None, settings: Settings, user: str
) -> tuple[PodAutoscaler, Errors]:
    meta, spec = autoscaler.metadata, autoscaler.spec
    class_ = meta.annotations.get(_CLASS, settings.autoscaler_class)
    marks = {_CLASS: class_}
    if class_ in _METRIC_OF_CLASS:
        marks[_METRIC] = _METRIC_OF_CLASS[class_]
    meta = touched(meta, annotations={**marks, **meta.annotations})
    concurrency = spec.container_concurrency
    if concurrency is None:
        spec = replace(spec, container_concurrency=settings.defaults.concurrency)
    found = object_meta.check_name(meta)
    found += object_meta.check_autoscaling(meta, settings.checks, "metadata")
    if autoscaler.spec == PodAutoscalerSpec():
        found.append(missing("spec"))
    else:
        found += _check_reference(spec.scale_target_ref, "spec.scaleTargetRef")
    if (spec.reachability or "") not in _REACHABILITY:
        found.append(invalid_value(spec.reachability, "spec.reachability"))
    path = "spec.containerConcurrency"
    found += check_concurrency(spec.container_concurrency, settings.defaults, path)
    return replace(autoscaler, metadata=meta, spec=spec), found


def _template(
    template: RevisionTemplateSpec, settings: Settings, parent: ObjectMeta, *, creating: bool
) -> RevisionTemplateSpec:
    spec = default_revision_spec(template.spec, settings, parent=parent, creating=creating)
    return replace(template, spec=spec)


def _check_reference(ref: ObjectReference, path: str) -> Errors:
    found: Errors = []
    for field, text, rule in (
        ("apiVersion", ref.api_version, labels.qualified_name),
        ("kind", ref.kind, None),
        ("name", ref.name, labels.dns1123_label),
    ):
        if not text:
            found.append(missing(f"{path}.{field}"))
        elif rule is not None and rule(text):
            found.append(invalid_value(", ".join(rule(text)), f"{path}.{field}"))
    return found


KNATIVE: Mapping[type[Object], Callable[..., tuple[Any, Errors]]] = {
    Service: _service,
    Configuration: _configuration,
    Revision: _revision,
    Route: _route,
    PodAutoscaler: _pod_autoscaler,
    DomainMapping: admit_domain_mapping,
    ClusterDomainClaim: admit_domain_claim,
}
