"""Traffic lists of Services and Routes.

Source: knative serving pkg/apis/serving/v1/route_validation.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.model import labels
from tidegate.model.admission.knative.words import (
    Errors,
    disallowed,
    got_both,
    got_neither,
    invalid_key,
    invalid_value,
    listed,
    out_of_bounds,
)
from tidegate.model.field_errors import FieldError
from tidegate.model.serving import TrafficTarget

_PATH = "spec.traffic"


def check_traffic(traffic: Sequence[TrafficTarget], *, of_service: bool) -> Errors:
    """In a Service every target without a revision means its own Configuration."""
    found: Errors = []
    first_with_tag: dict[str, int] = {}
    for i, target in enumerate(traffic):
        found += _check_target(target, f"{_PATH}[{i}]", of_service=of_service)
        if not target.tag:
            continue
        problems = labels.dns1035_label(target.tag)
        if problems:
            value = f"not a DNS 1035 label: {listed(problems)}"
            found.append(invalid_value(value, f"{_PATH}.tag[{i}]"))
        if target.tag in first_with_tag:
            paths = (f"{_PATH}[{first_with_tag[target.tag]}].tag", f"{_PATH}[{i}].tag")
            found.append(FieldError(f'Multiple definitions for "{target.tag}"', paths))
        else:
            first_with_tag[target.tag] = i
    total = sum(target.percent or 0 for target in traffic)
    if total != 100:
        found.append(FieldError(f"Traffic targets sum to {total}, want 100", (_PATH,)))
    return found


def _check_target(target: TrafficTarget, path: str, *, of_service: bool) -> Errors:
    found: Errors = []
    pinned, latest = bool(target.revision_name), target.latest_revision
    if latest is not None and pinned == latest:
        name, sense = target.revision_name or "", "true" if latest else "false"
        message = f'may not set revisionName "{name}" when latestRevision is {sense}'
        found.append(FieldError(message, (f"{path}.latestRevision",)))
    found += _check_names(target, path, of_service=of_service)
    percent = target.percent
    if percent is not None and not 0 <= percent <= 100:
        found.append(out_of_bounds(percent, 0, 100, f"{path}.percent"))
    if target.url:
        found.append(disallowed(f"{path}.url"))
    return found


def _check_names(target: TrafficTarget, path: str, *, of_service: bool) -> Errors:
    revision, configuration = target.revision_name, target.configuration_name
    if of_service and configuration:
        return [disallowed(f"{path}.configurationName")]
    if revision and configuration:
        return [got_both(f"{path}.revisionName", f"{path}.configurationName")]
    for field, name in (("revisionName", revision), ("configurationName", configuration)):
        if name:
            problems = labels.qualified_name(name)
            details = ", ".join(problems)
            return [invalid_key(name, f"{path}.{field}", details)] if problems else []
    if of_service:
        return []
    return [got_neither(f"{path}.revisionName", f"{path}.configurationName")]
