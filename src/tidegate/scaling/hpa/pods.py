"""Which pods count: ready, not ready yet, without a metric, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.scaling.hpa.seen import PodSeen, PodUsage
from tidegate.scaling.hpa.spec import HpaConfig


@dataclass(frozen=True, slots=True)
class Sample:
    """A pod's figure in thousandths: the mean over `window_s` up to `at_s`."""

    milli: int
    at_s: float
    window_s: float


@dataclass(frozen=True, slots=True)
class Groups:
    """Names of pods. Those that are in none are ready."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def resource_samples(
    items: Iterable[PodUsage], resource: str, container: str = ""
) -> dict[str, Sample]:
    """Pod -> its use of a resource. A pod whose entry lacks a part of the sum has none.

    `container`: only that one's use; empty: the sum over all that are listed.
    """
    found = {}
    for item in items:
        listed = [used for name, used in item.containers if not container or name == container]
        if listed and all(resource in used for used in listed):
            total = sum(used[resource] for used in listed)
            found[item.pod] = Sample(total, item.at_s, item.window_s)
    return found


def group(
    pods: Iterable[PodSeen],
    samples: Mapping[str, Sample],
    *,
    is_cpu: bool,
    config: HpaConfig,
    now_s: float,
) -> Groups:
    """In this order: going or failed, pending, without a metric, and for CPU not ready yet.

    Only CPU looks at readiness: what a pod burns while it starts says nothing about its load.
    """
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in pods:
        if pod.deleted or pod.phase == "Failed":
            ignored.add(pod.name)
        elif pod.phase == "Pending":
            unready.add(pod.name)
        elif pod.name not in samples:
            missing.add(pod.name)
        elif is_cpu and _is_starting(pod, samples[pod.name], config, now_s):
            unready.add(pod.name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: PodSeen, sample: Sample, config: HpaConfig, now_s: float) -> bool:
    if pod.ready is None or pod.started_at_s is None:
        return True
    if pod.started_at_s + config.cpu_initialization_s > now_s:
        # not ready, or the sample still shows the time before it was
        return pod.ready.status == "False" or sample.at_s < pod.ready.since_s + sample.window_s
    # past its start only one that has never been ready counts as starting
    never_ready = pod.started_at_s + config.readiness_delay_s > pod.ready.since_s
    return pod.ready.status == "False" and never_ready


def ready_pods(pods: Iterable[PodSeen]) -> int:
    """Running and Ready, for metrics that are not about pods: being deleted doesn't matter there."""
    return sum(
        pod.phase == "Running" and pod.ready is not None and pod.ready.status == "True"
        for pod in pods
    )
