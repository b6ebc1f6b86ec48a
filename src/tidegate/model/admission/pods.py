"""Pods: what a spec must say, and the little of it that may change.

Source: kubernetes pkg/apis/core/validation/validation.go (`ValidatePodSpec`, `ValidatePodUpdate`).
"""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from tidegate.model import labels
from tidegate.model.admission.containers import check_containers
from tidegate.model.admission.metadata import check_labels, check_template_metadata
from tidegate.model.admission.problems import (
    INT32_MOST,
    Problems,
    differences,
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    one_of,
)
from tidegate.model.admission.volumes import check_volumes
from tidegate.model.containers import Container
from tidegate.model.pods import Pod, PodSpec, PodTemplateSpec
from tidegate.model.wire import to_raw

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was previously negative)"
)


def check_pod(pod: Pod) -> Problems:
    return check_pod_spec(pod.spec, "spec")


def check_template(template: PodTemplateSpec, path: str, *, owner: str) -> Problems:
    """A workload's template: pods that are always started again. `owner` names the kind."""
    found = check_template_metadata(template.metadata, f"{path}.metadata")
    found += check_pod_spec(template.spec, f"{path}.spec")
    policy = template.spec.restart_policy
    if policy in _RESTART[1:]:
        found.append(not_supported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if template.spec.active_deadline_seconds is not None:
        detail = f"activeDeadlineSeconds in {owner} is not Supported"
        found.append(forbidden(f"{path}.spec.activeDeadlineSeconds", detail))
    return found


def check_pod_spec(spec: PodSpec, path: str) -> Problems:
    found = check_volumes(spec.volumes, f"{path}.volumes")
    found += check_containers(spec, path)
    found += one_of(f"{path}.restartPolicy", spec.restart_policy, _RESTART)
    found += one_of(f"{path}.dnsPolicy", spec.dns_policy, _DNS)
    found += not_negative(
        f"{path}.terminationGracePeriodSeconds", spec.termination_grace_period_seconds
    )
    deadline_s = spec.active_deadline_seconds
    if deadline_s is not None and not 1 <= deadline_s <= INT32_MOST:
        detail = f"must be between 1 and {INT32_MOST}, inclusive"
        found.append(invalid(f"{path}.activeDeadlineSeconds", deadline_s, detail))
    found += check_labels(spec.node_selector, f"{path}.nodeSelector")
    for field, name in (
        ("serviceAccountName", spec.service_account_name),
        ("nodeName", spec.node_name),
    ):
        if name:
            found += each_invalid(f"{path}.{field}", name, labels.dns1123_subdomain(name))
    return found


def check_pod_change(pod: Pod, old: Pod) -> Problems:
    """A pod is bound to a node once, and its spec is fixed but for a few fields."""
    allowed = _with_allowed_changes(old.spec, pod.spec)
    if allowed == pod.spec:
        return []
    changed = differences(to_raw(allowed), to_raw(pod.spec), "spec")
    lines = [f"{path}: {_text(was)} -> {_text(now)}" for path, was, now in changed]
    return [forbidden("spec", "\n".join([_MAY_CHANGE, *lines]))]


def _with_allowed_changes(old: PodSpec, new: PodSpec) -> PodSpec:
    """The old spec with those fields taken from the new one that an update may change."""
    changes: dict[str, Any] = {"active_deadline_seconds": new.active_deadline_seconds}
    if not old.node_name:
        changes["node_name"] = new.node_name
    if _only_added(old.tolerations, new.tolerations):
        changes["tolerations"] = new.tolerations
    if (old.termination_grace_period_seconds or 0) < 0 and (
        new.termination_grace_period_seconds == 1
    ):
        changes["termination_grace_period_seconds"] = 1
    for field in ("containers", "init_containers"):
        was, now = getattr(old, field), getattr(new, field)
        if len(was) == len(now):
            changes[field] = tuple(map(_with_image, was, now))
    return replace(old, **changes)


def _with_image(old: Container, new: Container) -> Container:
    return replace(old, image=new.image)


def _only_added(old: Any, new: Any) -> bool:
    return isinstance(new, list) and all(toleration in new for toleration in old or [])


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
