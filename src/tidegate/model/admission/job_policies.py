"""A Job's podFailurePolicy and successPolicy: what their rules must say.

Source: kubernetes pkg/apis/batch/validation/validation.go (`validatePodFailurePolicy`,
`validateSuccessPolicy`).
"""

from __future__ import annotations

from collections.abc import Collection

from tidegate.model import labels
from tidegate.model.admission.problems import (
    Problems,
    duplicate,
    invalid,
    not_negative,
    not_supported,
    required,
    too_long,
)
from tidegate.model.errors import Cause
from tidegate.model.job_indexes import BadIndexes, parse_indexes
from tidegate.model.jobs import (
    COUNT,
    FAIL_INDEX,
    FAIL_JOB,
    IGNORE,
    JobSpec,
    OnExitCodes,
    OnPodCondition,
    PodFailurePolicyRule,
    SuccessPolicyRule,
    is_indexed,
)

_ACTIONS = (COUNT, FAIL_INDEX, FAIL_JOB, IGNORE)
_OPERATORS, _STATUSES = ("In", "NotIn"), ("False", "True", "Unknown")
_RULES_MOST, _CODES_MOST, _PATTERNS_MOST = 20, 255, 20
_INDEXES_LONGEST = 64 * 1024


def check_failure_policy(spec: JobSpec, path: str) -> Problems:
    policy = spec.pod_failure_policy
    if policy is None:
        return []
    found = _too_many(f"{path}.rules", len(policy.rules), _RULES_MOST)
    pod = spec.template.spec
    names = {c.name for c in (*pod.containers, *pod.init_containers)}
    for i, rule in enumerate(policy.rules):
        here = f"{path}.rules[{i}]"
        found += _check_action(spec, rule.action, f"{here}.action")
        found += _check_rule(rule, here, names)
    return found


def _check_action(spec: JobSpec, action: str, path: str) -> Problems:
    if not action:
        return [required(path, f"valid values: {_listed(_ACTIONS)}")]
    if action == FAIL_INDEX and spec.backoff_limit_per_index is None:
        return [invalid(path, action, "requires the backoffLimitPerIndex to be set")]
    return [] if action in _ACTIONS else [not_supported(path, action, _ACTIONS)]


def _check_rule(rule: PodFailurePolicyRule, path: str, names: Collection[str]) -> Problems:
    found: Problems = []
    codes, patterns = rule.on_exit_codes, rule.on_pod_conditions
    if codes is not None:
        found += _check_codes(codes, f"{path}.onExitCodes", names)
    if patterns:
        found += _too_many(f"{path}.onPodConditions", len(patterns), _PATTERNS_MOST)
        for j, pattern in enumerate(patterns):
            found += _check_pattern(pattern, f"{path}.onPodConditions[{j}]")
    if codes is not None and patterns:
        why = "specifying both OnExitCodes and OnPodConditions is not supported"
        found.append(_invalid_whole(path, why))
    if codes is None and not patterns:
        why = "specifying one of OnExitCodes and OnPodConditions is required"
        found.append(_invalid_whole(path, why))
    return found


def _check_pattern(pattern: OnPodCondition, path: str) -> Problems:
    found = [
        invalid(f"{path}.type", pattern.type, why) for why in labels.qualified_name(pattern.type)
    ]
    if not pattern.status:
        found.append(required(f"{path}.status", f"valid values: {_listed(_STATUSES)}"))
    elif pattern.status not in _STATUSES:
        found.append(not_supported(f"{path}.status", pattern.status, _STATUSES))
    return found


def _check_codes(codes: OnExitCodes, path: str, names: Collection[str]) -> Problems:
    found: Problems = []
    if not codes.operator:
        found.append(required(f"{path}.operator", f"valid values: {_listed(_OPERATORS)}"))
    elif codes.operator not in _OPERATORS:
        found.append(not_supported(f"{path}.operator", codes.operator, _OPERATORS))
    if codes.container_name is not None and codes.container_name not in names:
        detail = "must be one of the container or initContainer names in the pod template"
        found.append(invalid(f"{path}.containerName", codes.container_name, detail))
    values = codes.values
    if not values:
        found.append(invalid(f"{path}.values", values, "at least one value is required"))
    found += _too_many(f"{path}.values", len(values), _CODES_MOST)
    for j, value in enumerate(values):
        if codes.operator == "In" and value == 0:
            detail = "must not be 0 for the In operator"
            found.append(invalid(f"{path}.values[{j}]", value, detail))
        if value in values[:j]:
            found.append(duplicate(f"{path}.values[{j}]", value))
    if list(values) != sorted(values):
        found.append(invalid(f"{path}.values", values, "must be ordered"))
    return found


def check_success_policy(spec: JobSpec, path: str) -> Problems:
    policy = spec.success_policy
    if policy is None:
        return []
    if not is_indexed(spec):
        return [invalid(path, policy, "requires indexed completion mode")]
    found = _too_many(f"{path}.rules", len(policy.rules), _RULES_MOST)
    if not policy.rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        found.append(required(f"{path}.rules", detail))
    for i, rule in enumerate(policy.rules):
        found += _check_success_rule(rule, spec.completions or 0, f"{path}.rules[{i}]")
    return found


def _check_success_rule(rule: SuccessPolicyRule, completions: int, path: str) -> Problems:
    wanted, count = rule.succeeded_indexes, rule.succeeded_count
    if wanted is None and count is None:
        detail = "at least one of succeededCount or succeededIndexes must be specified"
        return [required(path, detail)]
    found: Problems = []
    total = 0
    if wanted is not None:
        here = f"{path}.succeededIndexes"
        if len(wanted) > _INDEXES_LONGEST:
            found.append(too_long(here, _INDEXES_LONGEST))
        try:
            total = len(parse_indexes(wanted, completions))
        except BadIndexes as why:
            found.append(invalid(here, wanted, f"error parsing succeededIndexes: {why}"))
    if count is not None:
        here = f"{path}.succeededCount"
        found += not_negative(here, count)
        most = "must be less than or equal to"
        if count > completions:
            detail = f"{most} {completions} (the number of specified completions)"
            found.append(invalid(here, count, detail))
        if wanted is not None and count > total:
            named = "the number of indexes in the specified succeededIndexes field"
            found.append(invalid(here, count, f"{most} {total} ({named})"))
    return found


def _too_many(path: str, count: int, most: int) -> Problems:
    if count <= most:
        return []
    return [Cause("FieldValueTooMany", f"Too many: {count}: must have at most {most} items", path)]


def _invalid_whole(path: str, why: str) -> Cause:
    """Of a thing whose value would say too much."""
    return Cause("FieldValueInvalid", f"Invalid value: {why}", path)


def _listed(values: Collection[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
