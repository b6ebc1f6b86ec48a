"""Whether a pod says that its containers be processes or containers. Pure."""

from __future__ import annotations

from enum import StrEnum

from tidegate.model.core import Pod, PodSpec
from tidegate.model.meta import ObjectMeta

RUNTIME_NOTE = "tidegate.dev/runtime"


class RunsAs(StrEnum):
    PROCESS = "process"
    CONTAINER = "container"


def asked_runtime(pod: Pod) -> RunsAs | None:
    """By the annotation, else by `runtimeClassName`; None: the image decides."""
    return runtime_of(pod.metadata, pod.spec)


def runtime_of(meta: ObjectMeta, spec: PodSpec) -> RunsAs | None:
    for said in (meta.annotations.get(RUNTIME_NOTE), spec.runtime_class_name):
        if isinstance(said, str) and said in RunsAs.__members__.values():
            return RunsAs(said)
    return None
