"""Whether a Job has succeeded or failed as a whole. Pure.

The verdict comes before the end: `SuccessCriteriaMet` or `FailureTarget` is said when it is clear,
`Complete` or `Failed` once all pods are gone and counted.

Source: kubernetes pkg/controller/job/job_controller.go (`syncJob`), success_policy.go.
"""

from __future__ import annotations

from tidegate.controllers.job.failures import why_job_fails
from tidegate.controllers.job.pods import phase_of
from tidegate.controllers.job.seen import Seen
from tidegate.model.conditions import find, seconds_of, timestamp
from tidegate.model.job_indexes import read_indexes
from tidegate.model.jobs import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    JobSpec,
    SuccessPolicyRule,
    is_indexed,
)
from tidegate.model.meta import Condition

BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
DEADLINE_EXCEEDED = "DeadlineExceeded"
POD_FAILURE_POLICY = "PodFailurePolicy"
MAX_FAILED_INDEXES_EXCEEDED = "MaxFailedIndexesExceeded"
FAILED_INDEXES = "FailedIndexes"
SUCCESS_POLICY = "SuccessPolicy"
COMPLETIONS_REACHED = "CompletionsReached"


def condition(type_: str, *, now_s: float, reason: str | None, message: str | None) -> Condition:
    """A true condition that begins now."""
    stamp = timestamp(now_s)
    return Condition(
        type=type_,
        status="True",
        reason=reason,
        message=message,
        last_probe_time=stamp,
        last_transition_time=stamp,
    )


def reached(seen: Seen, *, now_s: float) -> Condition | None:
    """The verdict: one that the status has already, or a new one; None: the Job goes on. That all
    completions are there is not looked at: see `succeeded`."""
    for type_ in (SUCCESS_CRITERIA_MET, FAILURE_TARGET):
        standing = find(seen.status.conditions, type_)
        if standing is not None and standing.status == "True":
            return standing
    failure = _failure(seen, now_s)
    if failure is not None:
        reason, message = failure
        return condition(FAILURE_TARGET, now_s=now_s, reason=reason, message=message)
    rule = _success_rule(seen)
    if rule is not None:
        message = f"Matched rules at index {rule}"
        return condition(SUCCESS_CRITERIA_MET, now_s=now_s, reason=SUCCESS_POLICY, message=message)
    return None


def succeeded(seen: Seen, active: int, *, now_s: float) -> Condition | None:
    """The verdict that all completions are there (without a number: one is, and no pod runs any more);
    None: they aren't."""
    wanted = 1 if seen.spec.completions is None else seen.spec.completions
    if seen.succeeded < wanted or active:
        return None
    message = "Reached expected number of succeeded pods"
    return condition(SUCCESS_CRITERIA_MET, now_s=now_s, reason=COMPLETIONS_REACHED, message=message)


def final(verdict: Condition, *, now_s: float) -> Condition:
    """What stands for good once nothing is left to count."""
    type_ = COMPLETE if verdict.type == SUCCESS_CRITERIA_MET else FAILED
    return condition(type_, now_s=now_s, reason=verdict.reason, message=verdict.message)


def deadline_left_s(seen: Seen, *, now_s: float) -> float | None:
    """To the end of activeDeadlineSeconds; None: there is none, or it doesn't run."""
    spec, began = seen.spec, seen.status.start_time
    if spec.active_deadline_seconds is None or began is None or spec.suspend:
        return None
    return seconds_of(began) + spec.active_deadline_seconds - now_s


def _failure(seen: Seen, now_s: float) -> tuple[str, str] | None:
    """Reason and message."""
    spec = seen.spec
    by_policy = why_job_fails(spec, seen.pods)
    if by_policy is not None:
        return POD_FAILURE_POLICY, by_policy
    if seen.failed > (spec.backoff_limit or 0) or _restarted_too_often(seen):
        return BACKOFF_LIMIT_EXCEEDED, "Job has reached the specified backoff limit"
    left_s = deadline_left_s(seen, now_s=now_s)
    if left_s is not None and left_s <= 0:
        return DEADLINE_EXCEEDED, "Job was active longer than specified deadline"
    if spec.backoff_limit_per_index is None:
        return None
    if spec.max_failed_indexes is not None and len(seen.broken) > spec.max_failed_indexes:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return MAX_FAILED_INDEXES_EXCEEDED, message
    if seen.broken and len(seen.broken) + len(seen.completed) >= (spec.completions or 0):
        return FAILED_INDEXES, "Job has failed indexes"
    return None


def _restarted_too_often(seen: Seen) -> bool:
    """Pods that start again in place count by their containers' restarts."""
    spec = seen.spec
    if spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(
        container.restart_count or 0
        for pod in seen.pods
        if pod.status is not None and phase_of(pod) in ("Pending", "Running")
        for container in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts > 0 if not spec.backoff_limit else restarts >= spec.backoff_limit


def _success_rule(seen: Seen) -> int | None:
    """Which rule of the successPolicy is met."""
    spec = seen.spec
    if spec.success_policy is None or not is_indexed(spec) or not seen.completed:
        return None
    for i, rule in enumerate(spec.success_policy.rules):
        if _is_met(rule, spec, seen):
            return i
    return None


def _is_met(rule: SuccessPolicyRule, spec: JobSpec, seen: Seen) -> bool:
    count = rule.succeeded_count
    if rule.succeeded_indexes is None:
        return count is not None and len(seen.completed) >= count
    wanted = read_indexes(rule.succeeded_indexes, spec.completions or 0)
    have = len(wanted & seen.completed)
    return bool(wanted) and (have == len(wanted) or (count is not None and have >= count))
