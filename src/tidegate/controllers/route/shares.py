"""How a route's targets share out its requests, tag by tag, also in the middle of a rollout.

Source: knative/serving pkg/reconciler/route/traffic/traffic.go (consolidation, status).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.controllers.route.resolve import Resolved
from tidegate.model.serving import TrafficTarget
from tidegate.scaling.gradual_rollout import Rollout, Share, Target, steady

NO_TAG = ""


def goal_of(targets: Sequence[Resolved]) -> Rollout:
    """What traffic shall come to: each Configuration that targets float on, on its latest revision.

    Where a pinned target names the same revision first, the two are one, and pinned.
    """
    merged = _merged(targets)
    goal = [
        steady(NO_TAG, target.configuration, target.revision, percent)
        for target, percent in merged
        if target.configuration is not None
    ]
    goal += [
        steady(target.target.tag, target.configuration, target.revision, 100)
        for target in targets
        if target.target.tag and target.configuration is not None
    ]
    return tuple(goal)


def shares_of(
    targets: Sequence[Resolved], rollout: Rollout, tag: str = NO_TAG
) -> tuple[Share, ...]:
    """Who serves the host of the route (or of a tag) and how much of it, in percent. Same revision
    added up, zero left out, a single one serves all."""
    if tag:
        parts = [(target, 100) for target in targets if target.target.tag == tag]
    else:
        parts = _merged(targets)
    shares: dict[str, int] = {}
    for target, percent in parts:
        for share in _moving_shares(target, rollout, tag) or (Share(target.revision, percent),):
            shares[share.revision] = shares.get(share.revision, 0) + share.percent
    served = {revision: percent for revision, percent in shares.items() if percent}
    if len(served) == 1:
        served = dict.fromkeys(served, 100)
    return tuple(Share(revision, percent) for revision, percent in served.items())


def status_traffic(targets: Sequence[Resolved], rollout: Rollout) -> tuple[TrafficTarget, ...]:
    """One entry per target; while its Configuration's share moves, one per revision as well.

    Targets that agree on all but their percent are one entry.
    """
    left = {
        target.configuration: [*target.revisions]
        for target in rollout
        if target.tag == NO_TAG and target.moving
    }
    entries: list[TrafficTarget] = []
    for target in targets:
        older = left.get(target.configuration or "", []) if target.percent else []
        entries += _entries(target, older)
    return tuple(_joined(entries))


def _entries(target: Resolved, moving: list[Share]) -> Iterable[TrafficTarget]:
    """The target's own entry last, before it those of older revisions; `moving` is used up."""
    wanted = target.percent
    while moving and moving[0].revision != target.revision and wanted > 0:
        part = min(wanted, moving[0].percent)
        yield TrafficTarget(revision_name=moving[0].revision, latest_revision=False, percent=part)
        wanted -= part
        if part == moving[0].percent:
            moving.pop(0)
        else:
            moving[0] = Share(moving[0].revision, moving[0].percent - part)
    yield msgspec.structs.replace(target.target, percent=wanted)


def _joined(entries: Iterable[TrafficTarget]) -> Iterable[TrafficTarget]:
    found: dict[tuple[str | None, str | None, bool | None], TrafficTarget] = {}
    for entry in entries:
        key = (entry.tag, entry.revision_name, entry.latest_revision)
        if key in found:
            percent = (found[key].percent or 0) + (entry.percent or 0)
            entry = msgspec.structs.replace(entry, percent=percent)
        found[key] = entry
    return found.values()


def _merged(targets: Sequence[Resolved]) -> list[tuple[Resolved, int]]:
    """Targets with a share, the first of each revision with the sum of all of that revision."""
    found: dict[str, tuple[Resolved, int]] = {}
    for target in targets:
        if target.percent:
            first, percent = found.get(target.revision, (target, 0))
            found[target.revision] = (first, percent + target.percent)
    if len(found) == 1:
        return [(first, 100) for first, _ in found.values()]
    return [*found.values()]


def _moving_shares(target: Resolved, rollout: Rollout, tag: str) -> tuple[Share, ...]:
    found: Target | None = next(
        (
            one
            for one in rollout
            if (one.tag, one.configuration) == (tag, target.configuration) and one.moving
        ),
        None,
    )
    return found.revisions if found is not None else ()
