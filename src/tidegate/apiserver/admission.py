"""The admission chain: every write passes here between the latest state and the store.

It reads the settings from the ConfigMaps in namespace `knative-serving`, lets `model.admission`
decide, and gives back the object as it may be stored. Controllers' writes take the same way.

Knative's warning about insecure defaults of the security context is left out on purpose: see
`model.admission.knative.security`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from tidegate.apiserver.keda_admission import check_scaled_object
from tidegate.model.admission import (
    KNATIVE,
    KSERVE,
    admit_built_in,
    admit_knative,
    admit_kserve,
    kserve_notes,
    mode_of,
    warnings_of,
)
from tidegate.model.admission.knative import (
    AnnotationChecks,
    Features,
    RevisionDefaults,
    Settings,
    refused,
)
from tidegate.model.apps import Deployment, ReplicaSet
from tidegate.model.core import ConfigMap
from tidegate.model.domains import DomainMapping
from tidegate.model.field_errors import FieldError
from tidegate.model.ingresses import Ingress
from tidegate.model.kafka import KafkaSource
from tidegate.model.keda import ScaledObject
from tidegate.model.kserve import InferenceService
from tidegate.model.kserve_names import DEPLOYMENT_MODE, STANDARD
from tidegate.model.meta import Object
from tidegate.model.pods import Pod
from tidegate.model.serving import Configuration, Route, Service
from tidegate.model.serving_names import SYSTEM_NAMESPACE
from tidegate.policy import annotations as annotation_rules
from tidegate.policy import (
    config_autoscaler,
    config_cache,
    config_containers,
    config_defaults,
    config_deployment,
    config_domain,
    config_gc,
    config_hpa,
    config_images,
    config_inference,
    config_metrics,
    config_network,
    config_zygotes,
)
from tidegate.policy.annotation_notes import autoscaling_notes
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.config_autoscaler import AutoscalerConfig
from tidegate.policy.config_defaults import DefaultsConfig, container_name
from tidegate.policy.config_notes import config_notes
from tidegate.policy.elastic_notes import elastic_label_notes, elastic_notes
from tidegate.policy.errors import BadConfig
from tidegate.policy.kpa import unusable_initial_scale
from tidegate.policy.nginx import nginx_notes
from tidegate.policy.pod_runtime import runtime_notes
from tidegate.policy.route_annotations import validate_route_annotations
from tidegate.policy.serving_notes import metadata_notes, template_notes
from tidegate.policy.standby import standby_notes, validate_standby
from tidegate.policy.storage_notes import storage_notes

CONFIG_WEBHOOK = "config.webhook.serving.knative.dev"

#: The maps that can be wrong; the others are read as they are.
_PARSERS: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    config_autoscaler.NAME: config_autoscaler.parse_config_autoscaler,
    config_defaults.NAME: config_defaults.parse_config_defaults,
    config_deployment.NAME: config_deployment.parse_config_deployment,
    config_hpa.NAME: config_hpa.parse_config_hpa,
    config_metrics.NAME: config_metrics.parse_config_metrics,
    config_domain.NAME: config_domain.parse_config_domain,
    config_gc.NAME: config_gc.parse_config_gc,
    config_network.NAME: config_network.parse_config_network,
    config_inference.NAME: config_inference.parse_inference_config,
    f"{config_images.NAMESPACE}/{config_images.NAME}": config_images.parse_config_images,
    f"{config_containers.NAMESPACE}/{config_containers.NAME}": (
        config_containers.parse_config_containers
    ),
    f"{config_zygotes.NAMESPACE}/{config_zygotes.NAME}": config_zygotes.parse_config_zygotes,
    f"{config_cache.NAMESPACE}/{config_cache.NAME}": config_cache.parse_config_cache,
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """`warnings`: what the author should know, one sentence each."""

    object: Object
    warnings: tuple[str, ...] = ()


class Limits(Protocol):
    """`apiserver.quotas`: what a namespace may have."""

    def filled(self, obj: Object) -> Object: ...
    def check(self, obj: Object, old: Object | None) -> None: ...


class Admission:
    """`config` gives a ConfigMap's data by its name in `knative-serving`, empty if it isn't there.
    `limits` None: namespaces have no quotas (a document is only looked at).

    Stateless but for the parsed settings, which are renewed when their map changes.
    """

    def __init__(
        self, config: Callable[[str], Mapping[str, str]], limits: Limits | None = None
    ) -> None:
        self._config, self._limits = ClusterConfig(config), limits

    def admit(
        self, obj: Object, old: Object | None, *, user: str, status: bool = False
    ) -> Admitted:
        """The object with its defaults. `old` None: it is new. `status`: only that is written.

        Raises `BadRequest` in the words of Knative's webhooks for its kinds and config maps,
        `Invalid` in Kubernetes' words for all others, `Forbidden` for what is beyond a quota.
        """
        if old is None and self._limits is not None:
            obj = self._limits.filled(obj)
        admitted = self._admit(obj, old, user=user, status=status)
        if not status and self._limits is not None:
            self._limits.check(admitted.object, old)
        return admitted

    def _admit(self, obj: Object, old: Object | None, *, user: str, status: bool) -> Admitted:
        if type(obj) in KNATIVE:
            if status:  # Knative doesn't look at it, whatever it says
                return Admitted(obj)
            admitted: Object = admit_knative(obj, old, self._settings(), user=user)
        elif type(obj) in KSERVE:
            if status:
                return Admitted(obj)
            admitted = admit_kserve(obj, old, default_mode=self._config.inference().default_mode)
        else:
            admitted = admit_built_in(obj, old, status=status)
            if isinstance(admitted, ConfigMap):
                _check_config(admitted)
            if isinstance(admitted, ScaledObject) and not status:
                check_scaled_object(admitted)
        if status or _same_but_status(admitted, old):
            return Admitted(admitted)
        mode = self._config.inference().default_mode
        notes = (
            *_annotation_notes(admitted),
            *_config_notes(admitted),
            *kserve_notes(admitted, default_mode=mode),
            *_initial_scale_notes(
                admitted, mode, allow_zero=self._config.autoscaler().allow_zero_initial_scale
            ),
            *storage_notes(admitted),
        )
        return Admitted(admitted, (*warnings_of(admitted), *notes))

    def _settings(self) -> Settings:
        autoscaler = self._config.autoscaler()
        return Settings(
            defaults=_revision_defaults(self._config.defaults()),
            features=Features(self._config.read("config-features")),
            checks=_annotation_checks(autoscaler),
            autoscaler_class=autoscaler.autoscaler_class,
        )


def _initial_scale_notes(obj: Object, default_mode: str, *, allow_zero: bool) -> list[str]:
    """KServe leaves an initial scale out that Knative would refuse."""
    if not isinstance(obj, InferenceService) or mode_of(obj, default_mode) == STANDARD:
        return []
    key = unusable_initial_scale(obj.metadata.annotations, allow_zero=allow_zero)
    if key is None:
        return []
    return [
        f"metadata.annotations.{key}: no effect: it must be a whole number, and 0 only where "
        'config-autoscaler says allow-zero-initial-scale: "true"'
    ]


def _annotation_notes(obj: Object) -> list[str]:
    if isinstance(obj, Ingress):
        return [f"metadata.annotations.{note}" for note in nginx_notes(obj.metadata.annotations)]
    notes: list[str] = []
    if isinstance(obj, Service | Route | DomainMapping):
        found = metadata_notes(obj.metadata.annotations)
        notes += [f"metadata.annotations.{note}" for note in found]
    if isinstance(obj, Service | Configuration):
        template = obj.spec.template.metadata
        annotations = template.annotations if template else {}
        found = [*autoscaling_notes(annotations), *template_notes(annotations)]
        notes += [f"spec.template.metadata.annotations.{note}" for note in found]
    return notes + _elastic_notes(obj)


def _is_serverless(obj: Object) -> bool:
    mode = obj.metadata.annotations.get(DEPLOYMENT_MODE, "")
    return isinstance(obj, InferenceService) and mode in ("Serverless", "Knative")


def _elastic_notes(obj: Object) -> list[str]:
    """Of the metadata that pods get: the template's, or the object's own."""
    if isinstance(obj, Deployment | ReplicaSet | Service | Configuration):
        path, meta = "spec.template.metadata", obj.spec.template.metadata
    elif isinstance(obj, Pod | InferenceService):
        path, meta = "metadata", obj.metadata
    else:
        return []
    if meta is None:
        return []
    found = [
        *elastic_notes(meta.annotations),
        *runtime_notes(meta.annotations),
        *config_zygotes.zygote_notes(meta.annotations),
    ]
    if not isinstance(obj, Service | Configuration) and not _is_serverless(obj):
        found += standby_notes(meta.annotations)
    return [
        *(f"{path}.annotations.{note}" for note in found),
        *(f"{path}.labels.{note}" for note in elastic_label_notes(meta.labels)),
    ]


def _config_notes(obj: Object) -> list[str]:
    if not isinstance(obj, ConfigMap) or obj.metadata.namespace != SYSTEM_NAMESPACE:
        return []
    return config_notes(obj.metadata.name, obj.data)


def _check_config(config_map: ConfigMap) -> None:
    """Refuses a map of settings that can't be taken over."""
    name, namespace = config_map.metadata.name, config_map.metadata.namespace
    parse = _PARSERS.get(name if namespace == SYSTEM_NAMESPACE else f"{namespace}/{name}")
    if parse is None:
        return
    try:
        parse(config_map.data)
    except BadConfig as why:
        raise refused(CONFIG_WEBHOOK, str(why)) from why


def _same_but_status(obj: Object, old: Object | None) -> bool:
    """Whether nothing was written that warnings are about: they are said once, not every time."""
    if old is None:
        return False
    by_annotations = isinstance(obj, Ingress | KafkaSource | InferenceService)
    if by_annotations and obj.metadata.annotations != old.metadata.annotations:
        return False  # much of these is said there
    return all(
        getattr(obj, field) == getattr(old, field)
        for field in obj.__struct_fields__
        if field not in ("metadata", "status")
    )


def _revision_defaults(config: DefaultsConfig) -> RevisionDefaults:
    def name_by(template: str) -> Callable[[str, str], str]:
        return lambda name, namespace: container_name(template, name=name, namespace=namespace)

    return RevisionDefaults(
        timeout_s=config.revision_timeout_s,
        max_timeout_s=config.max_revision_timeout_s,
        response_start_timeout_s=config.response_start_timeout_s,
        idle_timeout_s=config.idle_timeout_s,
        concurrency=config.container_concurrency,
        max_concurrency=config.container_concurrency_max_limit,
        allow_zero_concurrency=config.allow_container_concurrency_zero,
        enable_service_links=config.enable_service_links,
        requests=_given(
            cpu=config.cpu_request,
            memory=config.memory_request,
            storage=config.ephemeral_storage_request,
        ),
        limits=_given(
            cpu=config.cpu_limit,
            memory=config.memory_limit,
            storage=config.ephemeral_storage_limit,
        ),
        container_name=name_by(config.container_name_template),
        init_container_name=name_by(config.init_container_name_template),
    )


def _given(*, cpu: str | None, memory: str | None, storage: str | None) -> dict[str, str]:
    quantities = {"cpu": cpu, "memory": memory, "ephemeral-storage": storage}
    return {name: text for name, text in quantities.items() if text is not None}


def _of_template(annotations: Mapping[str, str], config: AutoscalerConfig) -> list[FieldError]:
    return [
        *annotation_rules.validate_autoscaling(annotations, config),
        *validate_standby(annotations),
    ]


def _annotation_checks(config: AutoscalerConfig) -> AnnotationChecks:
    return AnnotationChecks(
        autoscaling=partial(_of_template, config=config),
        no_autoscaling=annotation_rules.validate_no_autoscaling,
        rollout_duration=annotation_rules.validate_rollout_duration,
        progress_deadline=annotation_rules.validate_progress_deadline,
        routing=validate_route_annotations,
    )
