"""The state of a route's gradual rollout: kept on its Ingress, so that a restart goes on with it.

Source: knative/serving pkg/reconciler/route/route.go (`reconcileRollout`).
"""

from __future__ import annotations

import msgspec

from tidegate.kit.duration import BadDuration, parse_duration
from tidegate.model.conditions import find, is_true
from tidegate.model.meta import Condition
from tidegate.model.networking import Ingress
from tidegate.model.serving import Route
from tidegate.policy.annotations import ROLLOUT_DURATION
from tidegate.scaling.gradual_rollout import Rollout, advance, observe_ready

ANNOTATION = "networking.internal.knative.dev/rollout"


def next_rollout(
    route: Route,
    goal: Rollout,
    ingress: Ingress | None,
    *,
    default_s: float,
    now_s: float,
    by_judge: bool = False,
) -> tuple[Rollout, float | None]:
    """The shares that traffic gets now, and when to look again (None: when something changes).

    `default_s` is the cluster's duration for routes that say none (or 0). `by_judge`: a new revision
    gets its first percent, and its further steps from somebody else.
    """
    duration_s = duration_of(route) or default_s
    was = saved(ingress)
    if by_judge and ingress is not None:
        return advance(goal, was, now_s=now_s)
    if duration_s <= 0 or ingress is None:
        was = ()
    elif in_force(ingress) and not _was_ready(route):
        was = observe_ready(was, now_s=now_s, duration_s=duration_s)
    return advance(goal, was, now_s=now_s)


def duration_of(route: Route) -> float:
    """What the route's annotation asks for, in seconds; 0 if nothing that can be read."""
    found = ROLLOUT_DURATION.find(route.metadata.annotations)
    try:
        return parse_duration(found[1]) if found else 0.0
    except BadDuration:
        return 0.0


def saved(ingress: Ingress | None) -> Rollout:
    """The state as `written`; empty if there is none that can be read."""
    text = ingress.metadata.annotations.get(ANNOTATION) if ingress is not None else None
    if not text:
        return ()
    try:
        return msgspec.json.decode(text, type=Rollout)
    except msgspec.MsgspecError:  # somebody edited it: traffic goes where it shall end up
        return ()


def written(rollout: Rollout) -> str:
    return msgspec.json.encode(rollout).decode()


def in_force(ingress: Ingress) -> bool:
    """Whether the gateway serves what the Ingress says now."""
    status = ingress.status
    return (
        status is not None
        and status.observed_generation == ingress.metadata.generation
        and is_true(status.conditions, "Ready")
    )


def in_progress() -> Condition:
    return Condition(
        type="IngressReady",
        status="Unknown",
        reason="RolloutInProgress",
        message="A gradual rollout of the latest revision(s) is in progress.",
    )


def _was_ready(route: Route) -> bool:
    found = find(route.status.conditions, "IngressReady") if route.status else None
    return found is not None and found.status == "True"
