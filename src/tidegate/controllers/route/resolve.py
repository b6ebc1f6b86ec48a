"""Which revision each traffic target means right now, or why that can't be said.

A floating target means the latest *ready* revision of its Configuration, so a new one takes traffic
only once it is ready.
Source: knative/serving pkg/reconciler/route/traffic/{traffic,errors}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tidegate.model import serving_names as names
from tidegate.model.conditions import find
from tidegate.model.meta import Condition
from tidegate.model.serving import Configuration, Revision, Route, TrafficTarget

FindConfiguration = Callable[[str], Configuration | None]
FindRevision = Callable[[str], Revision | None]


@dataclass(frozen=True, slots=True)
class Resolved:
    """One target with its revision. `configuration`: the one it floats on; None: it is pinned."""

    target: TrafficTarget  # as the status shows it: revisionName set, configurationName not
    configuration: str | None

    @property
    def revision(self) -> str:
        return self.target.revision_name or ""

    @property
    def percent(self) -> int:
        return self.target.percent or 0


@dataclass(frozen=True, slots=True)
class Resolution:
    """Traffic as it would be served, or why it can't be (`problem` None: all resolved)."""

    targets: tuple[Resolved, ...]
    problem: Condition | None


def resolve(
    route: Route, *, configuration: FindConfiguration, revision: FindRevision
) -> Resolution:
    """Each target's revision. A definite failure outranks a pending one."""
    targets: list[Resolved] = []
    problems: list[Condition] = []
    for target in route.spec.traffic:
        name, problem = _resolve_one(target, route, configuration, revision)
        if problem is not None:
            problems.append(problem)
        if name is not None:
            floating = target.revision_name is None
            shown = msgspec.structs.replace(
                target, revision_name=name, configuration_name=None, latest_revision=floating
            )
            targets.append(Resolved(shown, target.configuration_name if floating else None))
    problems.sort(key=lambda c: c.status)  # "False" before "Unknown"
    return Resolution(tuple(targets), problems[0] if problems else None)


def _resolve_one(
    target: TrafficTarget, route: Route, configuration: FindConfiguration, revision: FindRevision
) -> tuple[str | None, Condition | None]:
    if target.revision_name:
        return _named(target.revision_name, route, revision)
    wanted = target.configuration_name or ""
    found = configuration(wanted)
    if found is None:
        return None, _missing("ConfigurationMissing", "Configuration", wanted)
    latest = found.status.latest_ready_revision_name if found.status else None
    if latest and revision(latest) is not None:
        return latest, None
    ready = find(found.status.conditions, "Ready") if found.status else None
    if ready is not None and ready.status == "False":
        text = f'Configuration "{wanted}" does not have any ready Revision.'
        return None, _problem("False", "RevisionMissing", text)
    text = f'Configuration "{wanted}" is waiting for a Revision to become ready.'
    return None, _problem("Unknown", "RevisionMissing", text)


def _named(name: str, route: Route, revision: FindRevision) -> tuple[str | None, Condition | None]:
    found = revision(name)
    if found is None:
        return None, _missing("RevisionMissing", "Revision", name)
    service = route.metadata.labels.get(names.SERVICE)
    if service and found.metadata.labels.get(names.SERVICE) != service:
        text = f'Revision "{name}" is not owned by Service "{service}".'
        return None, _problem("False", "RevisionNotOwned", text)
    ready = find(found.status.conditions, "Ready") if found.status else None
    if ready is None or ready.status == "Unknown":
        return None, _problem("Unknown", "RevisionMissing", f'Revision "{name}" is not yet ready.')
    if ready.status == "False":
        text = f'Revision "{name}" failed to become ready.'
        return None, _problem("False", "RevisionMissing", text)
    return name, None


def _missing(reason: str, kind: str, name: str) -> Condition:
    return _problem("False", reason, f'{kind} "{name}" referenced in traffic not found.')


def _problem(status: str, reason: str, message: str) -> Condition:
    return Condition(type="AllTrafficAssigned", status=status, reason=reason, message=message)
