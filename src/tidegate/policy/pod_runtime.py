"""Whether a pod says that its containers be processes or containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec

RUNTIME_NOTE = "tidegate.dev/runtime"
NETWORK_NOTE = "tidegate.dev/network"
PRIVATE, HOST = "private", "host"


class RunsAs(StrEnum):
    PROCESS = "process"
    CONTAINER = "container"


def asked_runtime(pod: Pod) -> RunsAs | None:
    """By the annotation, else by `runtimeClassName`; None: the image decides."""
    return runtime_of(pod.metadata, pod.spec)


def runtime_notes(annotations: Mapping[str, str]) -> list[str]:
    """About values of the annotations that mean nothing."""
    found, said = [], annotations.get(RUNTIME_NOTE)
    if said is not None and said not in RunsAs.__members__.values():
        known = ", ".join(RunsAs)
        found.append(f"{RUNTIME_NOTE}: {said!r} is none of {known}: ignored, the image decides")
    said = annotations.get(NETWORK_NOTE)
    if said not in (None, PRIVATE, HOST):
        why = f"{said!r} is none of {PRIVATE}, {HOST}: ignored, the network is the machine's"
        found.append(f"{NETWORK_NOTE}: {why}")
    return found


def has_private_network(pod: Pod) -> bool:
    """Whether it asks for a network of its own, where its container listens on the port it declares."""
    return pod.metadata.annotations.get(NETWORK_NOTE) == PRIVATE


def runtime_of(meta: ObjectMeta, spec: PodSpec) -> RunsAs | None:
    for said in (meta.annotations.get(RUNTIME_NOTE), spec.runtime_class_name):
        if isinstance(said, str) and said in RunsAs.__members__.values():
            return RunsAs(said)
    return None
