"""A Job and its pods, sorted by what they mean for it. Pure.

Source: kubernetes pkg/controller/job/job_controller.go (`getNewFinishedPods`),
indexed_job_utils.go (`calculateSucceededIndexes`, `calculateFailedIndexes`,
`getPodsWithDelayedDeletionPerIndex`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.controllers.job.failures import action_for, counts_as_failure, finished_s, is_failed
from tidegate.controllers.job.pods import (
    all_index_failures,
    index_failures,
    index_of,
    is_active,
    is_terminating,
    is_tracked,
    phase_of,
)
from tidegate.model.job_indexes import Indexes, indexes_of, read_indexes
from tidegate.model.jobs import (
    FAIL_INDEX,
    Job,
    JobSpec,
    JobStatus,
    UncountedTerminatedPods,
    is_indexed,
)
from tidegate.model.pods import Pod


@dataclass(frozen=True, slots=True)
class Seen:
    """`pods` are all that the Job controls. `active`: those that run for it and will be counted;
    `lost`: those that run and won't, because their finalizer is gone. `succeeded` and `failed` are
    the totals, with pods that have ended and are in no count yet. `completed` and `broken` are the
    indexes that succeeded and failed for good; `waiting`: by index, the failed pod that its next one
    takes the failure count from."""

    job: Job
    pods: tuple[Pod, ...]
    active: tuple[Pod, ...]
    lost: tuple[Pod, ...]
    terminating: tuple[Pod, ...]
    succeeded: int
    failed: int
    before: Indexes
    completed: Indexes
    broken: Indexes
    waiting: Mapping[int, Pod]

    @property
    def spec(self) -> JobSpec:
        return self.job.spec

    @property
    def status(self) -> JobStatus:
        return self.job.status or JobStatus()

    @property
    def uncounted(self) -> UncountedTerminatedPods:
        return self.status.uncounted_terminated_pods or UncountedTerminatedPods()


def look(job: Job, pods: Sequence[Pod]) -> Seen:
    """Sort the pods."""
    spec, status = job.spec, job.status or JobStatus()
    uncounted = status.uncounted_terminated_pods or UncountedTerminatedPods()
    active = tuple(pod for pod in pods if is_active(pod))
    valid = [pod for pod in pods if is_tracked(pod) and has_place(pod, spec)]
    named = {*uncounted.succeeded, *uncounted.failed}
    fresh = [pod for pod in valid if pod.metadata.uid not in named]
    failed = sum(
        is_failed(pod, spec) and counts_as_failure(spec.pod_failure_policy, pod) for pod in fresh
    )
    succeeded = sum(phase_of(pod) == "Succeeded" for pod in fresh)
    before = completed = broken = Indexes()
    waiting: Mapping[int, Pod] = {}
    if is_indexed(spec):
        before = read_indexes(status.completed_indexes, spec.completions or 0)
        completed = before | indexes_of(
            _index(pod) for pod in valid if phase_of(pod) == "Succeeded"
        )
        if spec.backoff_limit_per_index is not None:
            broken = read_indexes(status.failed_indexes, spec.completions or 0)
            broken |= indexes_of(_index(pod) for pod in valid if _breaks_index(pod, spec))
            tracked_now = tuple(pod for pod in active if is_tracked(pod))
            waiting = _waiting(valid, spec, completed | broken | running_indexes(tracked_now))
    total = (status.succeeded or 0) + succeeded + len(uncounted.succeeded)
    return Seen(
        job=job,
        pods=tuple(pods),
        active=tuple(pod for pod in active if is_tracked(pod)),
        lost=tuple(pod for pod in active if not is_tracked(pod)),
        terminating=tuple(pod for pod in pods if is_terminating(pod)),
        succeeded=len(completed) if is_indexed(spec) else total,
        failed=(status.failed or 0) + failed + len(uncounted.failed),
        before=before,
        completed=completed,
        broken=broken,
        waiting=waiting,
    )


def has_place(pod: Pod, spec: JobSpec) -> bool:
    """In an Indexed Job: its index is one of the Job's."""
    if not is_indexed(spec):
        return True
    index = index_of(pod)
    return index is not None and index < (spec.completions or 0)


def running_indexes(pods: Sequence[Pod]) -> Indexes:
    """The indexes that these pods have."""
    return indexes_of(index for pod in pods if (index := index_of(pod)) is not None)


def _index(pod: Pod) -> int:
    index = index_of(pod)
    assert index is not None, "has_place was asked before"
    return index


def _breaks_index(pod: Pod, spec: JobSpec) -> bool:
    """Whether its index has failed for good with it."""
    if phase_of(pod) != "Failed":
        return False
    if action_for(spec.pod_failure_policy, pod) == FAIL_INDEX:
        return True
    counted = counts_as_failure(spec.pod_failure_policy, pod)
    return counted and index_failures(pod) >= (spec.backoff_limit_per_index or 0)


def _waiting(valid: Sequence[Pod], spec: JobSpec, settled: Indexes) -> dict[int, Pod]:
    """Of each index that is to be tried again: the last failed pod."""
    out: dict[int, Pod] = {}
    for pod in valid:
        index = _index(pod)
        if not is_failed(pod, spec) or index in settled:
            continue
        last = out.get(index)
        if last is None or _rank(last) <= _rank(pod):
            out[index] = pod
    return out


def _rank(pod: Pod) -> tuple[int, float]:
    return all_index_failures(pod), finished_s(pod)
