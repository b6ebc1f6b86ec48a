"""What a Job needs next: pods to make, to end and to count, and its status. Pure.

Counting is upstream's: a pod that has ended keeps a finalizer until its uid stands in the status;
then it loses the finalizer, and only then it moves from the list of uids into a number. Whoever is
killed between two of these steps, the next look goes on with the rest: nothing is counted twice or
never.

Source: kubernetes pkg/controller/job/job_controller.go (`syncJob`, `manageJob`,
`trackJobStatusAndRemoveFinalizers`), KEP-2307.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from tidegate.controllers.job.failures import (
    counts_as_failure,
    finished_s,
    is_failed,
    left_s,
    replaces_failed_only,
    wait_s,
)
from tidegate.controllers.job.pods import (
    all_index_failures,
    index_of,
    is_ready,
    is_tracked,
    least_first,
    phase_of,
)
from tidegate.controllers.job.seen import Seen, has_place, look, running_indexes
from tidegate.controllers.job.verdict import (
    condition,
    deadline_left_s,
    final,
    reached,
    succeeded,
)
from tidegate.model.conditions import find, timestamp
from tidegate.model.jobs import (
    COMPLETE,
    SUCCESS_CRITERIA_MET,
    SUSPENDED,
    Job,
    JobStatus,
    UncountedTerminatedPods,
    is_indexed,
)
from tidegate.model.meta import Condition
from tidegate.model.pods import Pod

#: As upstream: so many pods in one look, so many uids in a status. The rest follows at once.
MOST_PODS = 500
MOST_UNCOUNTED = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """Carried out in this order; each step may be repeated.

    `drop`: these pods lose their finalizer and are deleted, they count as nothing. `end`: these are
    deleted. `create`: indexes of new pods, None for a pod without one. `status` is written then: it
    names the pods of `release`, which lose their finalizer next; `settled` makes the last status of
    it. `verdict`: the Job ends with this once all is counted. `again_s`: when to look again even if
    nothing changes. `said`: events, (reason, message).
    """

    status: JobStatus
    drop: tuple[Pod, ...] = ()
    end: tuple[Pod, ...] = ()
    create: tuple[int | None, ...] = ()
    release: tuple[Pod, ...] = ()
    verdict: Condition | None = None
    terminating: int = 0
    again_s: float | None = None
    said: tuple[tuple[str, str], ...] = ()
    failed_before: Mapping[int, Pod] = field(default_factory=dict)

    def before(self, index: int | None) -> Pod | None:
        """The failed pod that the new one of this index follows, where failures count by index."""
        return None if index is None else self.failed_before.get(index)


@dataclass(frozen=True, slots=True)
class _Pods:
    """What to do with pods."""

    drop: tuple[Pod, ...] = ()
    end: tuple[Pod, ...] = ()
    create: tuple[int | None, ...] = ()
    again_s: float | None = None


def plan_job(job: Job, pods: Sequence[Pod], *, now_s: float) -> Plan:
    """The next step of a Job that has not ended. `pods` are those it controls."""
    job = _started(job, now_s)
    seen = look(job, pods)
    verdict = reached(seen, now_s=now_s)
    if verdict is not None:
        change = _Pods(drop=seen.lost, end=seen.active)
    elif job.metadata.deletion_timestamp:
        change = _Pods()  # the collector deletes the pods; they are only counted
    else:
        change = _change(seen, now_s)
    gone = {pod.metadata.uid for pod in (*change.drop, *change.end)}
    left = [pod for pod in seen.active if pod.metadata.uid not in gone]
    active = len(left) + len(change.create)
    if verdict is None:
        verdict = succeeded(seen, active, now_s=now_s)
    terminating = len(seen.terminating) + len(gone)
    status = msgspec.structs.replace(
        seen.status,
        active=active or None,
        ready=sum(map(is_ready, left)),
        terminating=terminating,
    )
    said: tuple[tuple[str, str], ...] = ()
    if verdict is None and not job.metadata.deletion_timestamp:
        status, said = _suspension(status, suspended=bool(job.spec.suspend), now_s=now_s)
    elif verdict is not None:
        status = _with(status, verdict)
    status, release = _counted(seen, status, verdict, but=change.drop)
    return Plan(
        status=status,
        drop=change.drop,
        end=change.end,
        create=change.create,
        release=release,
        verdict=verdict,
        terminating=terminating,
        again_s=_soonest(change.again_s, deadline_left_s(seen, now_s=now_s), verdict),
        said=said,
        failed_before=seen.waiting,
    )


def settled(plan: Plan, status: JobStatus, tracked: Collection[str], *, now_s: float) -> JobStatus:
    """The status after the finalizers went. `status` is the one written before, `tracked` the uids of
    the pods that still have theirs."""
    uncounted = status.uncounted_terminated_pods or UncountedTerminatedPods()
    left = UncountedTerminatedPods(
        succeeded=tuple(uid for uid in uncounted.succeeded if uid in tracked),
        failed=tuple(uid for uid in uncounted.failed if uid in tracked),
    )
    good = len(uncounted.succeeded) - len(left.succeeded)
    bad = len(uncounted.failed) - len(left.failed)
    status = msgspec.structs.replace(
        status,
        succeeded=(status.succeeded or 0) + good or None,
        failed=(status.failed or 0) + bad or None,
        uncounted_terminated_pods=left,
    )
    over = not (left.succeeded or left.failed or plan.terminating or status.active)
    if plan.verdict is None or not over or len(plan.release) >= MOST_UNCOUNTED:
        return status  # with so many there may be more to count
    end = final(plan.verdict, now_s=now_s)
    done = end.last_transition_time if end.type == COMPLETE else status.completion_time
    return msgspec.structs.replace(_with(status, end), completion_time=done)


def _started(job: Job, now_s: float) -> Job:
    """A Job that may run has a time at which it began."""
    status = job.status or JobStatus()
    if status.start_time is None and not job.spec.suspend:
        status = msgspec.structs.replace(status, start_time=timestamp(now_s))
    return msgspec.structs.replace(job, status=status)


# --- how many pods


def _change(seen: Seen, now_s: float) -> _Pods:
    """Pods to end or to make, never both at once."""
    spec, active = seen.spec, seen.active
    if spec.suspend:
        return _Pods(drop=(*seen.lost, *active))
    wanted = _wanted(seen)
    surplus = _surplus(seen, max(0, len(active) - wanted))
    if surplus or seen.lost:
        return _Pods(drop=(*seen.lost, *surplus)[:MOST_PODS])
    short = wanted - len(active)
    if replaces_failed_only(spec):
        short -= len(seen.terminating)
    if short <= 0:
        return _Pods()
    if spec.backoff_limit_per_index is None:
        left = wait_s(spec, seen.pods, now_s=now_s)
        if left > 0:
            return _Pods(again_s=left)
    count = min(short, MOST_PODS)
    again_s = 0.0 if short > count else None
    if not is_indexed(spec):
        return _Pods(create=(None,) * count, again_s=again_s)
    return _indexes(seen, count, again_s, now_s)


def _wanted(seen: Seen) -> int:
    """Without a number of completions, the first success ends the making of pods."""
    spec = seen.spec
    parallelism = 1 if spec.parallelism is None else spec.parallelism
    if spec.completions is None:
        return len(seen.active) if seen.succeeded > 0 else parallelism
    return max(0, min(spec.completions - seen.succeeded, parallelism))


def _surplus(seen: Seen, at_least: int) -> tuple[Pod, ...]:
    """What is too much: of an Indexed Job, pods of no index and all but one of each as well."""
    out: list[Pod] = []
    left = list(seen.active)
    if is_indexed(seen.spec):
        left = []
        taken: set[int] = set()
        for pod in reversed(least_first(seen.active)):
            index = index_of(pod)
            if index is None or index in taken or not has_place(pod, seen.spec):
                out.append(pod)
            else:
                taken.add(index)
                left.append(pod)
    return (*out, *least_first(left)[: max(0, at_least - len(out))])


def _indexes(seen: Seen, count: int, again_s: float | None, now_s: float) -> _Pods:
    """New pods for the lowest indexes that have none."""
    taken = seen.completed | seen.broken | running_indexes(seen.active)
    if replaces_failed_only(seen.spec):
        taken |= running_indexes(seen.terminating)
    pending = list(islice(taken.missing(seen.spec.completions or 0), count))
    if seen.spec.backoff_limit_per_index is None:
        return _Pods(create=tuple(pending), again_s=again_s)
    waits = {index: _index_wait_s(seen.waiting.get(index), now_s) for index in pending}
    now = tuple(index for index in pending if waits[index] <= 0)
    later = min((wait for wait in waits.values() if wait > 0), default=again_s)
    return _Pods(create=now, again_s=later)


def _index_wait_s(last: Pod | None, now_s: float) -> float:
    if last is None:
        return 0.0
    return left_s(all_index_failures(last) + 1, finished_s(last), now_s=now_s)


# --- counting


def _counted(
    seen: Seen, status: JobStatus, verdict: Condition | None, *, but: Sequence[Pod]
) -> tuple[JobStatus, tuple[Pod, ...]]:
    """The status that names the pods to be counted, and those pods."""
    spec, was = seen.spec, seen.uncounted
    good, bad = list(was.succeeded), list(was.failed)
    known, dropped = {*good, *bad}, {pod.metadata.uid for pod in but}
    release: list[Pod] = []
    for pod in seen.pods:
        uid = pod.metadata.uid or ""
        if not is_tracked(pod) or uid in dropped or not _may_go(seen, pod, verdict):
            continue
        if len(release) >= MOST_UNCOUNTED:
            break
        release.append(pod)
        if uid in known:
            continue
        if phase_of(pod) == "Succeeded":
            if not is_indexed(spec):  # an index is its own mark
                good.append(uid)
        elif _is_counted_failed(seen, pod, verdict):
            bad.append(uid)
    uncounted = UncountedTerminatedPods(succeeded=tuple(good), failed=tuple(bad))
    status = msgspec.structs.replace(status, uncounted_terminated_pods=uncounted)
    if is_indexed(spec):
        status = msgspec.structs.replace(
            status,
            succeeded=len(seen.completed) or None,
            completed_indexes=str(seen.completed) or None,
        )
        if spec.backoff_limit_per_index is not None:
            status = msgspec.structs.replace(status, failed_indexes=str(seen.broken))
    return status, tuple(release)


def _may_go(seen: Seen, pod: Pod, verdict: Condition | None) -> bool:
    """Whether nothing more is to be learnt of a pod."""
    if seen.job.metadata.deletion_timestamp or verdict is not None:
        return True
    if phase_of(pod) == "Succeeded":
        return True
    # The last failed pod of an index stays until the next one has taken its count of failures over.
    index = index_of(pod)
    waits = None if index is None else seen.waiting.get(index)
    kept = waits is not None and waits.metadata.uid == pod.metadata.uid
    return is_failed(pod, seen.spec) and not kept


def _is_counted_failed(seen: Seen, pod: Pod, verdict: Condition | None) -> bool:
    """A Job that fails counts what still runs as failed; one that has succeeded counts it as nothing,
    also when it looks again and the pods that it has ended are going."""
    succeeding = verdict is not None and verdict.type == SUCCESS_CRITERIA_MET
    if succeeding and pod.metadata.deletion_timestamp:
        return False
    failing = verdict is not None and not succeeding
    if not (is_failed(pod, seen.spec) or failing) or not has_place(pod, seen.spec):
        return False
    return counts_as_failure(seen.spec.pod_failure_policy, pod)


# --- conditions


def _suspension(
    status: JobStatus, *, suspended: bool, now_s: float
) -> tuple[JobStatus, tuple[tuple[str, str], ...]]:
    """The Suspended condition; a Job that goes on begins anew, so that its deadline does too."""
    standing = find(status.conditions, SUSPENDED)
    was = standing is not None and standing.status == "True"
    if suspended == was:
        return status, ()
    if suspended:
        now = condition(SUSPENDED, now_s=now_s, reason="JobSuspended", message="Job suspended")
        return _with(status, now), (("Suspended", "Job suspended"),)
    now = condition(SUSPENDED, now_s=now_s, reason="JobResumed", message="Job resumed")
    status = _with(status, msgspec.structs.replace(now, status="False"))
    status = msgspec.structs.replace(status, start_time=timestamp(now_s))
    return status, (("Resumed", "Job resumed"),)


def _with(status: JobStatus, new: Condition) -> JobStatus:
    """In the place of the condition of that type, or at the end."""
    kept = tuple(new if c.type == new.type else c for c in status.conditions)
    if find(kept, new.type) is None:
        kept = (*kept, new)
    return msgspec.structs.replace(status, conditions=kept)


def _soonest(
    pods_s: float | None, deadline_s: float | None, verdict: Condition | None
) -> float | None:
    waits = [wait for wait in (pods_s, deadline_s) if wait is not None]
    return None if verdict is not None or not waits else max(0.0, min(waits))
