"""A route's judged rollout: who is on trial, on what counts, and what that does to the shares.

The annotation `tidegate.dev/promote` asks for it; the state is kept on the Ingress, beside that of
rollouts by time, so that a restart goes on with it. The counts are those of the TrafficReports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from tidegate.controllers.route.resolve import Resolved
from tidegate.controllers.route.shares import NO_TAG
from tidegate.model.meta import Condition
from tidegate.model.networking import Ingress
from tidegate.model.serving import Route
from tidegate.model.traffic import TrafficReport
from tidegate.policy.go_values import BadValue
from tidegate.policy.route_annotations import promotion_of
from tidegate.routing.latency import GROWTH, edges_ms
from tidegate.scaling.gradual_rollout import Rollout, Share, Target, steady
from tidegate.scaling.judge import Counts, buckets_of
from tidegate.scaling.judged_rollout import PromoteSpec, Trial, Verdict, begun, judged

ANNOTATION = "networking.internal.knative.dev/trial"
LOOK_S = 5.0

FindReport = Callable[[str], TrafficReport | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The shares and the trial as they are now. `due_s`: when to look again. None: there is no trial,
    or it is over."""

    rollout: Rollout
    trial: Trial | None
    due_s: float | None


def asked_for(route: Route) -> PromoteSpec | None:
    """None: traffic moves without a judge (also where the annotation can't be read: it is older than
    the rule that refuses it)."""
    try:
        return promotion_of(route.metadata.annotations)
    except BadValue:
        return None


def saved_trial(ingress: Ingress | None) -> Trial | None:
    """The state as `written_trial`; None if there is none that can be read."""
    text = ingress.metadata.annotations.get(ANNOTATION) if ingress is not None else None
    try:
        return msgspec.json.decode(text, type=Trial) if text else None
    except msgspec.MsgspecError:  # somebody edited it: a new trial begins
        return None


def written_trial(trial: Trial | None) -> dict[str, str]:
    """The annotations that keep it."""
    return {} if trial is None else {ANNOTATION: msgspec.json.encode(trial).decode()}


def held_back(
    targets: Sequence[Resolved], trial: Trial | None, exists: Callable[[str], bool]
) -> tuple[Resolved, ...]:
    """The targets with a canary that failed replaced by the revision that it failed against."""
    if trial is None or trial.verdict is not Verdict.ROLLED_BACK or not exists(trial.current):
        return tuple(targets)
    return tuple(
        replace(
            target,
            target=msgspec.structs.replace(
                target.target, revision_name=trial.current, latest_revision=False
            ),
        )
        if target.configuration is not None and target.revision == trial.canary
        else target
        for target in targets
    )


def judge(
    spec: PromoteSpec,
    rollout: Rollout,
    was: Trial | None,
    report: FindReport,
    *,
    in_force: bool,
    now_s: float,
) -> Judgement:
    """One look at the trial of the route's own floating target, if it has one on its way.

    `rollout` has the canary's first percent already; `in_force`: the gateway serves what the Ingress
    says now.
    """
    rollout = tuple(_at_once(target) for target in rollout)
    moving = next((t for t in rollout if t.tag == NO_TAG and t.moving), None)
    if moving is None:
        over = was if was is not None and was.verdict is not Verdict.RUNNING else None
        return Judgement(rollout, over, None)
    canary = moving.revisions[-1].revision
    if was is None or was.verdict is not Verdict.RUNNING or was.canary != canary:
        trial = begun(spec, _current(moving, was), canary)
    elif not in_force:
        trial = was
    else:
        trial = judged(
            spec,
            was,
            _counts(report(was.current)),
            _counts(report(canary)),
            now_s=now_s,
            tolerance_buckets=buckets_of(spec.latency_tolerance, GROWTH),
            edges_ms=edges_ms,
        )
    due_s = now_s + LOOK_S if trial.verdict is Verdict.RUNNING else None
    shared = tuple(_shared(moving, trial) if one is moving else one for one in rollout)
    return Judgement(shared, trial, due_s)


def trial_condition(trial: Trial | None, route: Route) -> Condition | None:
    """What the route says of a trial that goes on or failed; None: nothing to say."""
    if trial is None or asked_for(route) is None:
        return None
    if trial.verdict is Verdict.ROLLED_BACK:
        return Condition(
            type="AllTrafficAssigned", status="False", reason="RolledBack", message=trial.why
        )
    if trial.verdict is Verdict.RUNNING:
        return Condition(
            type="IngressReady", status="Unknown", reason="RolloutInProgress", message=trial.why
        )
    return None


def stage_of(trial: Trial | None) -> tuple[object, ...] | None:
    """What changes with a step and with the end, and with nothing in between."""
    return None if trial is None else (trial.canary, trial.percent, trial.verdict)


def _current(moving: Target, was: Trial | None) -> str:
    """Whom a new canary is compared with: the revision that an unfinished trial trusted, else the
    newest before it."""
    older = [share.revision for share in moving.revisions[:-1]]
    if was is not None and was.verdict is Verdict.RUNNING and was.current in older:
        return was.current
    return max(moving.revisions[:-1], key=lambda share: share.percent).revision


def _at_once(target: Target) -> Target:
    """Who asks by a tag asks for that revision: nothing to judge."""
    if target.tag == NO_TAG or not target.moving:
        return target
    newest = target.revisions[-1].revision
    return steady(target.tag, target.configuration, newest, target.percent)


def _shared(moving: Target, trial: Trial) -> Target:
    """The target with the trial's shares; a canary that is no more, or all, ends the movement."""
    if trial.verdict is Verdict.ROLLED_BACK:
        return steady(moving.tag, moving.configuration, trial.current, moving.percent)
    if trial.verdict is Verdict.PROMOTED:
        return steady(moving.tag, moving.configuration, trial.canary, moving.percent)
    part = min(max(1, round(moving.percent * trial.percent / 100)), moving.percent - 1)
    shares = (Share(trial.current, moving.percent - part), Share(trial.canary, part))
    return replace(moving, revisions=shares, next_s=None, step_s=None, step_percent=0)


def _counts(report: TrafficReport | None) -> Counts:
    total = report.status.total if report is not None and report.status is not None else None
    if total is None:
        return Counts()
    return Counts(total.requests, total.errors, total.latency)
