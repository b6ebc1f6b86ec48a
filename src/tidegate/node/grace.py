"""How long a pod may take: to its deadline, to its end once it is asked to go. Pure.

Wall times are seconds since 1970, as objects have them; what is given back is seconds from now.
"""

from __future__ import annotations

from tidegate.model.conditions import seconds_of
from tidegate.model.pods import Pod

GRACE_S = 30.0  # Kubernetes' default terminationGracePeriodSeconds


def grace_of(pod: Pod) -> float:
    """What its document gives it between the stop signal and the kill."""
    asked = pod.spec.termination_grace_period_seconds
    return GRACE_S if asked is None else float(asked)


def until_deadline_s(pod: Pod, *, begun_s: float, now_s: float) -> float | None:
    """To the end of `activeDeadlineSeconds`, negative when it is over; None: it has no deadline."""
    limit_s = pod.spec.active_deadline_seconds
    return None if limit_s is None else begun_s + limit_s - now_s


def until_gone_s(pod: Pod, *, now_s: float) -> float:
    """To the deletionTimestamp: the time of the request plus the grace period."""
    stamp = pod.metadata.deletion_timestamp
    return 0.0 if stamp is None else seconds_of(stamp) - now_s


def until_kill_s(pod: Pod, *, routed: bool, most_s: float, now_s: float) -> float:
    """To SIGKILL, for a pod that goes. The grace of a routed one begins now that it is drained, `most_s`
    at most: before that it had work to finish."""
    grace_s = pod.metadata.deletion_grace_period_seconds
    if not routed:  # the timestamp is cut to whole seconds: up to one more is the pod's due
        due_s = until_gone_s(pod, now_s=now_s) + 1.0
        return due_s if grace_s is None else min(due_s, grace_s)
    if grace_s is None:
        grace_s = pod.spec.termination_grace_period_seconds
    return most_s if grace_s is None else min(float(grace_s), most_s)
