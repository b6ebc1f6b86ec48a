"""Deployments and ReplicaSets.

Source: kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from tidegate.model.admission.metadata import check_selector, selector_shown
from tidegate.model.admission.pod_defaults import default_template
from tidegate.model.admission.pods import check_template
from tidegate.model.admission.problems import (
    AT_LEAST_0,
    IMMUTABLE,
    Problems,
    forbidden,
    invalid,
    not_negative,
    one_of,
    required,
)
from tidegate.model.apps import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    RollingUpdateDeployment,
)
from tidegate.model.meta import LabelSelector
from tidegate.model.pods import PodTemplateSpec
from tidegate.model.wire import IntOrString

_SHARE = "25%"
_HISTORY = 10
_DEADLINE_S = 600
_PERCENT = re.compile(r"\d+%")
_MISMATCH = "`selector` does not match template `labels`"


def default_deployment(deployment: Deployment, old: Deployment | None) -> Deployment:
    spec = deployment.spec
    history = spec.revision_history_limit
    deadline_s = spec.progress_deadline_seconds
    return replace(
        deployment,
        spec=replace(
            spec,
            replicas=1 if spec.replicas is None else spec.replicas,
            strategy=_strategy(spec.strategy),
            revision_history_limit=_HISTORY if history is None else history,
            progress_deadline_seconds=_DEADLINE_S if deadline_s is None else deadline_s,
            template=default_template(spec.template),
        ),
    )


def default_replica_set(replica_set: ReplicaSet, old: ReplicaSet | None) -> ReplicaSet:
    spec = replica_set.spec
    replicas = 1 if spec.replicas is None else spec.replicas
    filled = replace(spec, replicas=replicas, template=default_template(spec.template))
    return replace(replica_set, spec=filled)


def _strategy(given: DeploymentStrategy | None) -> DeploymentStrategy:
    strategy = given or DeploymentStrategy()
    if (strategy.type or "RollingUpdate") != "RollingUpdate":
        return strategy
    rolling = strategy.rolling_update or RollingUpdateDeployment()
    surge, less = rolling.max_surge, rolling.max_unavailable
    return DeploymentStrategy(
        type="RollingUpdate",
        rolling_update=RollingUpdateDeployment(
            max_surge=_SHARE if surge is None else surge,
            max_unavailable=_SHARE if less is None else less,
        ),
    )


def check_deployment(deployment: Deployment) -> Problems:
    spec = deployment.spec
    found = _check_pods(spec.selector, spec.template, spec.replicas)
    found += not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    found += not_negative("spec.revisionHistoryLimit", spec.revision_history_limit)
    found += _check_deadline(spec)
    return found + _check_strategy(spec.strategy)


def check_replica_set(replica_set: ReplicaSet) -> Problems:
    spec = replica_set.spec
    found = _check_pods(spec.selector, spec.template, spec.replicas)
    return found + not_negative("spec.minReadySeconds", spec.min_ready_seconds)


def check_deployment_change(deployment: Deployment, old: Deployment) -> Problems:
    return _check_same_selector(deployment.spec.selector, old.spec.selector)


def check_replica_set_change(replica_set: ReplicaSet, old: ReplicaSet) -> Problems:
    return _check_same_selector(replica_set.spec.selector, old.spec.selector)


def _check_same_selector(selector: LabelSelector, old: LabelSelector) -> Problems:
    if selector == old:
        return []
    return [invalid("spec.selector", selector_shown(selector), IMMUTABLE)]


def _check_pods(
    selector: LabelSelector, template: PodTemplateSpec, replicas: int | None
) -> Problems:
    found = not_negative("spec.replicas", replicas)
    labels: Mapping[str, str] = template.metadata.labels if template.metadata else {}
    mismatch = invalid("spec.template.metadata.labels", labels, _MISMATCH)
    if selector == LabelSelector():
        # An empty selector can't be told from a missing one here; the latter is what people send.
        found += [required("spec.selector"), mismatch]
    else:
        problems = check_selector(selector, "spec.selector")
        found += problems
        if not problems and not selector.matches(labels):
            found.append(mismatch)
    return found + check_template(template, "spec.template", owner="ReplicaSet")


def _check_deadline(spec: DeploymentSpec) -> Problems:
    deadline_s = spec.progress_deadline_seconds
    found = not_negative("spec.progressDeadlineSeconds", deadline_s)
    if deadline_s is not None and deadline_s <= (spec.min_ready_seconds or 0):
        detail = "must be greater than minReadySeconds"
        found.append(invalid("spec.progressDeadlineSeconds", deadline_s, detail))
    return found


def _check_strategy(strategy: DeploymentStrategy | None) -> Problems:
    if strategy is None:
        return []
    path, rolling = "spec.strategy", strategy.rolling_update
    found = one_of(f"{path}.type", strategy.type, ("Recreate", "RollingUpdate"))
    if rolling is None:
        return found
    path = f"{path}.rollingUpdate"
    if strategy.type == "Recreate":
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [*found, forbidden(path, detail)]
    found += _check_share(rolling.max_unavailable, f"{path}.maxUnavailable")
    found += _check_share(rolling.max_surge, f"{path}.maxSurge")
    if _is_zero(rolling.max_unavailable) and _is_zero(rolling.max_surge):
        detail = "may not be 0 when `maxSurge` is 0"
        found.append(invalid(f"{path}.maxUnavailable", rolling.max_unavailable, detail))
    if isinstance(rolling.max_unavailable, str) and _percent(rolling.max_unavailable) > 100:
        detail = "must not be greater than 100%"
        found.append(invalid(f"{path}.maxUnavailable", rolling.max_unavailable, detail))
    return found


def _check_share(share: IntOrString | None, path: str) -> Problems:
    if isinstance(share, str) and not _PERCENT.fullmatch(share):
        detail = (
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        return [invalid(path, share, detail)]
    if isinstance(share, int) and share < 0:
        return [invalid(path, share, AT_LEAST_0)]
    return []


def _is_zero(share: IntOrString | None) -> bool:
    return share == 0 if isinstance(share, int) else share is not None and _percent(share) == 0


def _percent(text: str) -> int:
    """-1 for a text that is no percentage."""
    return int(text[:-1]) if _PERCENT.fullmatch(text) else -1
