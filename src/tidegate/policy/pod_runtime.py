"""Whether a pod says that its containers be processes or containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
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


def runtime_notes(annotations: Mapping[str, str]) -> list[str]:
    """About a value of the annotation that means nothing."""
    said = annotations.get(RUNTIME_NOTE)
    if said is None or said in RunsAs.__members__.values():
        return []
    return [f"{RUNTIME_NOTE}: {said!r} is none of {', '.join(RunsAs)}: ignored, the image decides"]


def runtime_of(meta: ObjectMeta, spec: PodSpec) -> RunsAs | None:
    for said in (meta.annotations.get(RUNTIME_NOTE), spec.runtime_class_name):
        if isinstance(said, str) and said in RunsAs.__members__.values():
            return RunsAs(said)
    return None
