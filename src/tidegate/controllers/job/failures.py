"""Which pods count as failed, what a podFailurePolicy says of them, and how long to wait after them. Pure.

Source: kubernetes pkg/controller/job/pod_failure_policy.go, backoff_utils.go. Left out: the record of
failures in memory; it is worked out from the pods, so that a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.model.conditions import find, seconds_of
from tidegate.model.jobs import (
    FAIL_JOB,
    FAILED_ONLY,
    IGNORE,
    TRACKING,
    JobSpec,
    OnExitCodes,
    PodFailurePolicy,
    PodFailurePolicyRule,
)
from tidegate.model.pods import ContainerStatus, Pod

FIRST_WAIT_S = 10.0
#: `MaxJobPodFailureBackOff`. Kubernetes' pages say six minutes; its code (`job_controller.go`) says ten.
LONGEST_WAIT_S = 600.0


def is_failed(pod: Pod, spec: JobSpec) -> bool:
    """Failed, or going without having succeeded. Where only failed pods are replaced, one that goes is
    waited for; with no grace left nobody runs it any more, so it will not tell."""
    phase = pod.status.phase if pod.status else None
    if phase in ("Failed", "Succeeded"):
        return phase == "Failed"
    meta = pod.metadata
    if meta.deletion_timestamp is None:
        return False
    return not replaces_failed_only(spec) or not meta.deletion_grace_period_seconds


def replaces_failed_only(spec: JobSpec) -> bool:
    return spec.pod_replacement_policy == FAILED_ONLY or spec.pod_failure_policy is not None


# --- podFailurePolicy


def action_for(policy: PodFailurePolicy | None, pod: Pod) -> str | None:
    """What the first rule that matches a failed pod says; None: no rule does."""
    found = _match(policy, pod)
    return None if found is None else found[1].action


def counts_as_failure(policy: PodFailurePolicy | None, pod: Pod) -> bool:
    return action_for(policy, pod) != IGNORE


def why_job_fails(spec: JobSpec, pods: Iterable[Pod]) -> str | None:
    """The message of the first pod that a FailJob rule matches; None: there is none."""
    for pod in pods:
        if is_failed(pod, spec):
            found = _match(spec.pod_failure_policy, pod)
            if found is not None and found[1].action == FAIL_JOB:
                return found[2]
    return None


def _match(
    policy: PodFailurePolicy | None, pod: Pod
) -> tuple[int, PodFailurePolicyRule, str] | None:
    for i, rule in enumerate(policy.rules if policy else ()):
        what = _matched_by(rule, pod)
        if what is not None:
            return i, rule, f"{what} matching {rule.action} rule at index {i}"
    return None


def _matched_by(rule: PodFailurePolicyRule, pod: Pod) -> str | None:
    """What of the pod a rule matches, as a condition's message says it."""
    status = pod.status
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if status is None:
        return None
    if rule.on_exit_codes is not None:
        for statuses in (status.container_statuses, status.init_container_statuses):
            for container in statuses:
                code = _exit_code(container, rule.on_exit_codes)
                if code is not None:
                    return f"Container {container.name} for pod {name} failed with exit code {code}"
        return None
    wanted = {(pattern.type, pattern.status) for pattern in rule.on_pod_conditions}
    for condition in status.conditions:
        if (condition.type, condition.status) in wanted:
            return f"Pod {name} has condition {condition.type}"
    return None


def _exit_code(container: ContainerStatus, wanted: OnExitCodes) -> int | None:
    """The code that a container failed with, if that is what is asked for."""
    ended = container.state.terminated if container.state else None
    if ended is None or ended.exit_code == 0:
        return None
    if wanted.container_name not in (None, container.name):
        return None
    inside = ended.exit_code in wanted.values
    return ended.exit_code if inside == (wanted.operator == "In") else None


# --- back-off


def finished_s(pod: Pod) -> float:
    """When a pod ended: its last container, else when it ceased to be ready, else when it was deleted,
    else when it was made."""
    status, meta = pod.status, pod.metadata
    ends = [
        c.state.terminated.finished_at if c.state and c.state.terminated else None
        for c in (status.container_statuses if status else ())
    ]
    if ends and all(ends):
        return max(seconds_of(end) for end in ends if end)
    ready = find(status.conditions, "Ready") if status else None
    if ready is not None and ready.status == "False" and ready.last_transition_time:
        return seconds_of(ready.last_transition_time)
    if meta.deletion_timestamp:
        return seconds_of(meta.deletion_timestamp) - (meta.deletion_grace_period_seconds or 0)
    return seconds_of(meta.creation_timestamp) if meta.creation_timestamp else 0.0


def wait_s(spec: JobSpec, pods: Sequence[Pod], *, now_s: float) -> float:
    """How long no pod may be made, after the failures since the last success."""
    succeeded = [finished_s(p) for p in pods if p.status and p.status.phase == "Succeeded"]
    since_s = max(succeeded, default=float("-inf"))
    failed = [finished_s(p) for p in pods if is_failed(p, spec) and not _was_let_go(p)]
    failed = [at_s for at_s in failed if at_s > since_s]
    return left_s(len(failed), max(failed, default=0.0), now_s=now_s)


def left_s(failures: int, last_s: float, *, now_s: float) -> float:
    """What is left of the wait after so many failures, the last of them at `last_s`."""
    if not failures:
        return 0.0
    wait = min(FIRST_WAIT_S * float(1 << min(failures - 1, 10)), LONGEST_WAIT_S)
    return max(0.0, wait - (now_s - last_s))


def _was_let_go(pod: Pod) -> bool:
    """The Job ended it by itself, as surplus: no failure."""
    return pod.metadata.deletion_timestamp is not None and TRACKING not in pod.metadata.finalizers
