"""What an author should know about a document that was accepted.

Reading a document notes the fields that have no effect on this machine (`model.wire`); here those
notes become sentences, and what only shows in the values is added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tidegate.model import apps, core, serving
from tidegate.model.admission.image_names import pull_policy
from tidegate.model.admission.knative.object_meta import SIDECAR, SIDECAR_PERCENTAGE
from tidegate.model.admission.knative.settings import STATES
from tidegate.model.admission.pod_defaults import DEFAULT_SCHEDULER
from tidegate.model.admission.services import service_warnings
from tidegate.model.containers import Container
from tidegate.model.jobs import CronJob, Job
from tidegate.model.kafka import KafkaSource
from tidegate.model.kafka_settings import annotation_notes
from tidegate.model.kserve import InferenceService
from tidegate.model.meta import Object, ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodTemplateSpec
from tidegate.model.wire import Wire, to_raw

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_PULL_POLICY, _RUNTIME_CLASS = ".imagePullPolicy", ".runtimeClassName"
#: Runtime classes that mean something here (`policy.pod_runtime`).
RUNTIMES = ("process", "container")
_DEPRECATED_PERCENTAGE = (
    "Queue proxy resource percentage annotation is deprecated. Please use the available "
    "annotations to explicitly set resource values per service"
)


def warnings_for(
    obj: Object, notes: Iterable[tuple[str, str]], old: Object | None = None
) -> tuple[str, ...]:
    """The notes of a reading as text, `spec.affinity: kept, but it only has an effect on a cluster`.

    Left out is what the author did not write: values that stand so in `old` already (patches and
    edits send the whole object back), values that defaulting fills in, and empty ones.
    """
    raw = to_raw(obj)
    was = None if old is None else to_raw(old)
    return tuple(
        f"{path}: {note}" for path, note in notes if not _goes_without_saying(path, raw, was)
    )


def _goes_without_saying(path: str, raw: dict[str, Any], was: dict[str, Any] | None) -> bool:
    value = _at(raw, path)
    if value in (None, {}, [], (), "", False):
        return True
    if was is not None and _at(was, path) == value:
        return True
    if path.endswith(_RUNTIME_CLASS) and value in RUNTIMES:
        return True
    if path.endswith(_PULL_POLICY):
        container = _at(raw, path.removesuffix(_PULL_POLICY))
        return isinstance(container, dict) and value == pull_policy(container.get("image", ""))
    return False


def _at(raw: Any, path: str) -> Any:
    """The value at a dotted path; None if there is none."""
    for match in _STEP.finditer(path):
        name, index = match.groups()
        if name is not None:
            raw = raw.get(name) if isinstance(raw, dict) else None
        else:
            at = int(index)
            raw = raw[at] if isinstance(raw, list | tuple) and at < len(raw) else None
    return raw


def warnings_of(obj: Object) -> tuple[str, ...]:
    """What the values themselves give reason to say."""
    found: list[str] = []
    for path, meta, spec in _pods_of(obj):
        found += _env_warnings(spec, path)
        found += _scheduler_warnings(spec, path)
        if meta is not None:
            where = f"{path.removesuffix('spec')}metadata.annotations"
            found += _sidecar_warnings(meta.annotations, where)
    if isinstance(obj, core.Service):
        found += service_warnings(obj)
    if isinstance(obj, KafkaSource):
        found += [f"metadata.annotations.{k}: {why}" for k, why in annotation_notes(obj)]
    if isinstance(obj, core.ConfigMap) and obj.metadata.name == "config-features":
        found += _feature_warnings(obj.data)
    return tuple(found)


def _pods_of(obj: Object) -> Iterator[tuple[str, ObjectMeta | None, PodSpec]]:
    """The pod specs in a document, with their paths and their metadata (None: they have none)."""
    match obj:
        case Pod() | serving.Revision():
            yield "spec", obj.metadata, obj.spec
        case (
            apps.Deployment(spec=spec)
            | apps.ReplicaSet(spec=spec)
            | serving.Service(spec=spec)
            | serving.Configuration(spec=spec)
        ):
            template: Wire = spec.template
            assert isinstance(template, PodTemplateSpec | serving.RevisionTemplateSpec)
            yield "spec.template.spec", template.metadata, template.spec
        case Job(spec=job):
            yield "spec.template.spec", job.template.metadata, job.template.spec
        case CronJob(spec=cron):
            pod = cron.job_template.spec.template
            yield "spec.jobTemplate.spec.template.spec", pod.metadata, pod.spec
        case InferenceService(spec=isvc):
            yield "spec.predictor", None, isvc.predictor
            if isvc.transformer is not None:
                yield "spec.transformer", None, isvc.transformer
        case _:
            return


def _scheduler_warnings(spec: PodSpec, path: str) -> Iterator[str]:
    if spec.scheduler_name not in (None, "", DEFAULT_SCHEDULER):
        yield (
            f"{path}.schedulerName: no scheduler {spec.scheduler_name!r} runs here: the engine's own "
            "places the pod on this machine"
        )


def _env_warnings(spec: PodSpec, path: str) -> Iterator[str]:
    groups: tuple[tuple[str, tuple[Container, ...]], ...] = (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
    )
    for field, containers in groups:
        for i, container in enumerate(containers):
            seen: set[str] = set()
            for j, var in enumerate(container.env):
                if var.name in seen:
                    yield (
                        f"{path}.{field}[{i}].env[{j}]: hides previous definition of "
                        f'"{var.name}", which may be dropped when using apply'
                    )
                seen.add(var.name)


def _sidecar_warnings(annotations: Mapping[str, str], path: str) -> Iterator[str]:
    for key in sorted(annotations):
        if not key.startswith(SIDECAR):
            continue
        if key.removeprefix(SIDECAR) in SIDECAR_PERCENTAGE:
            yield _DEPRECATED_PERCENTAGE
        yield f"{path}.[{key}]: kept, but no queue-proxy runs beside the containers here"


def _feature_warnings(data: Mapping[str, str]) -> Iterator[str]:
    """Knative drops such values without a word."""
    for key, value in data.items():
        if key != "_example" and value.lower() not in STATES:
            yield f'data[{key}]: "{value}" is none of Enabled, Allowed, Disabled: ignored'
