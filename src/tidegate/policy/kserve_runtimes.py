"""Which ServingRuntime serves a model, and the container that comes of the two.

Source: kserve pkg/apis/serving/v1beta1/predictor_model.go (selection),
pkg/controller/v1beta1/inferenceservice/utils/utils.go (merging, placeholders).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from tidegate.model import kserve_names as names
from tidegate.model.containers import Container, ResourceRequirements
from tidegate.model.kserve import (
    ClusterServingRuntime,
    ModelSpec,
    ServingRuntime,
    ServingRuntimeSpec,
    SupportedModelFormat,
)
from tidegate.model.meta import ObjectMeta

Runtime = ServingRuntime | ClusterServingRuntime
_PLACEHOLDER = re.compile(r"\{\{\s*\.(Name|Namespace|Labels\.[^\s}]+|Annotations\.[^\s}]+)\s*\}\}")


class NoRuntime(Exception):
    """`reason` is one of KServe's failure reasons."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Chosen:
    """`cluster`: it is a ClusterServingRuntime."""

    name: str
    spec: ServingRuntimeSpec
    cluster: bool


def choose_runtime(
    model: ModelSpec, namespaced: Sequence[Runtime], cluster: Sequence[Runtime]
) -> Chosen:
    """The runtime for a model. Raises `NoRuntime`.

    `namespaced` are the ServingRuntimes of its namespace, which come before those of the cluster.
    """
    if model.runtime:
        return _named(model, namespaced, cluster)
    for runtimes, of_cluster in ((namespaced, False), (cluster, True)):
        fit = [r for r in runtimes if not r.spec.disabled and _suits(r.spec, model, auto=True)]
        if fit:
            # Newest first among equals: KServe lists by creation, then name, then sorts by priority.
            fit.sort(key=lambda r: r.metadata.name)
            fit.sort(key=lambda r: r.metadata.creation_timestamp or "", reverse=True)
            fit.sort(key=lambda r: _priority(r.spec, model), reverse=True)
            return Chosen(fit[0].metadata.name, fit[0].spec, of_cluster)
    format_ = model.model_format
    shown = f"name:{format_.name}" + (f" version:{format_.version}" if format_.version else "")
    protocol = model.protocol_version or "v1"
    raise NoRuntime(
        "NoSupportingRuntime",
        f"no runtime found to support predictor with model type: {{{shown}}} and protocol "
        f"{protocol}: see `kubectl get clusterservingruntimes`, or write a ServingRuntime",
    )


def _named(model: ModelSpec, namespaced: Sequence[Runtime], cluster: Sequence[Runtime]) -> Chosen:
    for runtimes, of_cluster in ((namespaced, False), (cluster, True)):
        for runtime in runtimes:
            if runtime.metadata.name != model.runtime:
                continue
            if runtime.spec.disabled:
                raise NoRuntime("RuntimeDisabled", f"Specified runtime {model.runtime} is disabled")
            if not _suits(runtime.spec, model, auto=False):
                raise NoRuntime(
                    "NoSupportingRuntime",
                    f"specified runtime {model.runtime} does not support specified framework/version "
                    f"({model.model_format.name}, protocol {model.protocol_version or 'v1'})",
                )
            return Chosen(runtime.metadata.name, runtime.spec, of_cluster)
    message = f"No ServingRuntimes or ClusterServingRuntimes with the name: {model.runtime}"
    raise NoRuntime("RuntimeNotRecognized", message)


def _suits(spec: ServingRuntimeSpec, model: ModelSpec, *, auto: bool) -> bool:
    protocols = spec.protocol_versions or ("v1",)
    return (model.protocol_version or "v1") in protocols and any(
        _is_format(known, model) and (known.auto_select or not auto)
        for known in spec.supported_model_formats
    )


def _is_format(known: SupportedModelFormat, model: ModelSpec) -> bool:
    wanted = model.model_format
    if known.name != wanted.name:
        return False
    return wanted.version is None or known.version == wanted.version


def _priority(spec: ServingRuntimeSpec, model: ModelSpec) -> int:
    return max(
        (f.priority or 0 for f in spec.supported_model_formats if _is_format(f, model)), default=0
    )


# --- the container


def serving_container(runtime: ServingRuntimeSpec, model: ModelSpec, meta: ObjectMeta) -> Container:
    """The runtime's container with the user's fields over it; `meta` is the InferenceService's."""
    base = next((c for c in runtime.containers if c.name == names.CONTAINER), runtime.containers[0])
    image = model.image or base.image
    if model.runtime_version and image is not None:
        image = with_tag(image, model.runtime_version)
    merged = replace(
        base,
        name=names.CONTAINER,
        image=image,
        command=model.command or base.command,
        args=(*base.args, *model.args),
        env=by_key(base.env, model.env, "name"),
        env_from=(*base.env_from, *model.env_from),
        ports=model.ports or base.ports,
        resources=_resources(base.resources, model.resources),
        volume_mounts=by_key(base.volume_mounts, model.volume_mounts, "mount_path"),
        **{
            field: getattr(model, field)
            for field in (
                "working_dir",
                "liveness_probe",
                "readiness_probe",
                "startup_probe",
                "lifecycle",
                "termination_message_path",
                "termination_message_policy",
                "image_pull_policy",
                "security_context",
            )
            if getattr(model, field) is not None
        },
    )
    return filled_in(merged, meta)


def filled_in(container: Container, meta: ObjectMeta) -> Container:
    """`{{.Name}}` and the like replaced, in command, args and environment."""
    return replace(
        container,
        command=tuple(_filled(text, meta) for text in container.command),
        args=tuple(_filled(text, meta) for text in container.args),
        env=tuple(
            replace(var, value=_filled(var.value, meta)) if var.value else var
            for var in container.env
        ),
    )


def _filled(text: str, meta: ObjectMeta) -> str:
    def value(found: re.Match[str]) -> str:
        what, _, key = found[1].partition(".")
        if what == "Name":
            return meta.name
        if what == "Namespace":
            return meta.namespace or ""
        known: Mapping[str, str] = meta.labels if what == "Labels" else meta.annotations
        return known.get(key, "")

    return _PLACEHOLDER.sub(value, text)


def with_tag(image: str, tag: str) -> str:
    """The image with another tag."""
    base = image.partition("@")[0]
    head, slash, last = base.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}:{tag}"


T = TypeVar("T")


def by_key(base: Iterable[T], over: Iterable[T], key: str) -> tuple[T, ...]:
    """Two lists as a strategic merge makes one: `over` takes the place of what has the same key."""
    return tuple({getattr(item, key): item for item in (*base, *over)}.values())


def _resources(
    base: ResourceRequirements | None, over: ResourceRequirements | None
) -> ResourceRequirements | None:
    if base is None or over is None:
        return over or base
    return ResourceRequirements(
        limits={**base.limits, **over.limits}, requests={**base.requests, **over.requests}
    )
