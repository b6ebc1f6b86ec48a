"""What a Job's pods are called, carry and mean. Pure.

Source: kubernetes pkg/controller/job/indexed_job_utils.go, controller_utils.go (`ActivePods`).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tidegate.controllers.job.failures import counts_as_failure
from tidegate.model.conditions import is_true
from tidegate.model.containers import (
    Container,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
)
from tidegate.model.jobs import (
    COMPLETION_INDEX,
    INDEX_FAILURES,
    INDEX_IGNORED_FAILURES,
    INDEX_VARIABLE,
    TRACKING,
    Job,
)
from tidegate.model.meta import ObjectMeta, owner_reference
from tidegate.model.pods import Pod

_LONGEST_PREFIX = 58  # what is left of 63 once the server has added its five letters
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def desired_pod(job: Job, index: int | None = None, *, after: Pod | None = None) -> Pod:
    """One more pod; the server completes its name. `index` None: a Job without indexes. `after`: the
    failed pod that it takes the place of, where failures are counted by index."""
    meta, template = job.metadata, job.spec.template
    given = template.metadata or ObjectMeta()
    labels, annotations, spec = given.labels, given.annotations, template.spec
    prefix = f"{meta.name}-"
    if index is not None:
        tail = f"-{index}-"
        prefix = meta.name[: _LONGEST_PREFIX - len(tail)] + tail
        mark = {COMPLETION_INDEX: str(index)}
        labels, annotations = {**labels, **mark}, {**annotations, **mark}
        if job.spec.backoff_limit_per_index is not None:
            annotations = {**annotations, **_failures_so_far(job, after)}
        spec = replace(
            spec,
            containers=tuple(map(_with_index, spec.containers)),
            init_containers=tuple(map(_with_index, spec.init_containers)),
        )
    finalizers = given.finalizers
    return Pod(
        metadata=ObjectMeta(
            generate_name=prefix,
            namespace=meta.namespace,
            labels=labels,
            annotations=annotations,
            finalizers=finalizers if TRACKING in finalizers else (*finalizers, TRACKING),
            owner_references=(owner_reference("Job", "batch/v1", meta),),
        ),
        spec=spec,
    )


def _with_index(container: Container) -> Container:
    """`JOB_COMPLETION_INDEX`, unless the container says itself what that is."""
    if any(var.name == INDEX_VARIABLE for var in container.env):
        return container
    path = f"metadata.labels['{COMPLETION_INDEX}']"
    source = EnvVarSource(field_ref=ObjectFieldSelector(field_path=path))
    variable = EnvVar(name=INDEX_VARIABLE, value_from=source)
    return replace(container, env=(*container.env, variable))


def _failures_so_far(job: Job, after: Pod | None) -> dict[str, str]:
    if after is None:
        return {INDEX_FAILURES: "0"}
    counted, ignored = _number(after, INDEX_FAILURES), _number(after, INDEX_IGNORED_FAILURES)
    if counts_as_failure(job.spec.pod_failure_policy, after):
        counted += 1
    else:
        ignored += 1
    out = {INDEX_FAILURES: str(counted)}
    return out | ({INDEX_IGNORED_FAILURES: str(ignored)} if ignored else {})


def index_failures(pod: Pod) -> int:
    """How often its index had failed, as far as that counts, when the pod was made."""
    return _number(pod, INDEX_FAILURES)


def all_index_failures(pod: Pod) -> int:
    """The same with the failures that a policy said to ignore."""
    return index_failures(pod) + _number(pod, INDEX_IGNORED_FAILURES)


def _number(pod: Pod, key: str) -> int:
    text = pod.metadata.annotations.get(key, "0")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def index_of(pod: Pod) -> int | None:
    """None: it has none, or nonsense."""
    text = pod.metadata.annotations.get(COMPLETION_INDEX, "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


def is_tracked(pod: Pod) -> bool:
    """It has not been counted yet."""
    return TRACKING in pod.metadata.finalizers


def phase_of(pod: Pod) -> str:
    return (pod.status.phase if pod.status else None) or "Pending"


def has_ended(pod: Pod) -> bool:
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    return not has_ended(pod) and pod.metadata.deletion_timestamp is None


def is_terminating(pod: Pod) -> bool:
    return not has_ended(pod) and pod.metadata.deletion_timestamp is not None


def is_ready(pod: Pod) -> bool:
    return pod.status is not None and is_true(pod.status.conditions, "Ready")


def least_first(pods: Sequence[Pod]) -> list[Pod]:
    """Those whose end loses least come first: without a node, pending, not ready, young."""

    def rank(pod: Pod) -> tuple[bool, int, bool]:
        return bool(pod.spec.node_name), _PHASES.get(phase_of(pod), 0), is_ready(pod)

    young_first = sorted(
        pods,
        key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name),
        reverse=True,
    )
    return sorted(young_first, key=rank)
