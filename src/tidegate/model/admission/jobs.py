"""Jobs: defaults, the selector that is made for them, and what a spec must say.

Source: kubernetes pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job/strategy.go (`generateSelector`),
pkg/apis/batch/validation/validation.go.
"""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.model import labels
from tidegate.model.admission.job_policies import check_failure_policy, check_success_policy
from tidegate.model.admission.metadata import (
    check_selector,
    check_template_metadata,
    selector_shown,
)
from tidegate.model.admission.pod_defaults import default_template
from tidegate.model.admission.pods import check_pod_spec
from tidegate.model.admission.problems import (
    IMMUTABLE,
    INT32_MOST,
    Problems,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
    too_long,
)
from tidegate.model.jobs import (
    CONTROLLER_UID,
    FAILED_ONLY,
    INDEXED,
    JOB_NAME,
    LEGACY_CONTROLLER_UID,
    LEGACY_JOB_NAME,
    NON_INDEXED,
    TERMINATING_OR_FAILED,
    Job,
    JobSpec,
    OnPodCondition,
    PodFailurePolicy,
    is_indexed,
)
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import PodTemplateSpec

_BACKOFF_LIMIT = 6
_MANAGER_LONGEST = 63
_INDEXED_PARALLELISM_MOST = 100_000
_FAILED_INDEXES_MOST = 100_000
#: Beyond so many completions, per-index back-off has tighter bounds.
_MANY_COMPLETIONS, _THEN_PARALLELISM, _THEN_FAILED = 100_000, 10_000, 10_000
_MISMATCH = "`selector` does not match template `labels`"


def default_job(job: Job, old: Job | None) -> Job:
    """A new Job gets a selector of its own, unless its document says that it brings one."""
    spec = _defaults(job.spec)
    if old is None and not spec.manual_selector:
        spec = _with_selector(job.metadata, spec)
    meta = job.metadata
    own = spec.template.metadata.labels if spec.template.metadata else {}
    if not meta.labels and own:
        meta = replace(meta, labels=own)
    return replace(job, metadata=meta, spec=spec)


def _defaults(spec: JobSpec) -> JobSpec:
    parallelism, completions = spec.parallelism, spec.completions
    if parallelism is None and completions is None:
        completions = 1
    limit = INT32_MOST if spec.backoff_limit_per_index is not None else _BACKOFF_LIMIT
    policy = spec.pod_failure_policy
    replacement = FAILED_ONLY if policy is not None else TERMINATING_OR_FAILED
    return replace(
        spec,
        parallelism=1 if parallelism is None else parallelism,
        completions=completions,
        backoff_limit=limit if spec.backoff_limit is None else spec.backoff_limit,
        completion_mode=spec.completion_mode or NON_INDEXED,
        manual_selector=bool(spec.manual_selector),
        suspend=bool(spec.suspend),
        pod_replacement_policy=spec.pod_replacement_policy or replacement,
        pod_failure_policy=policy and default_failure_policy(policy),
        template=default_template(spec.template),
    )


def default_failure_policy(policy: PodFailurePolicy) -> PodFailurePolicy:
    """Conditions that say no status mean True."""

    def filled(pattern: OnPodCondition) -> OnPodCondition:
        return replace(pattern, status=pattern.status or "True")

    return replace(
        policy,
        rules=tuple(
            replace(rule, on_pod_conditions=tuple(map(filled, rule.on_pod_conditions)))
            for rule in policy.rules
        ),
    )


def _generated(meta: ObjectMeta) -> dict[str, str]:
    """The labels that a Job's pods carry, so that no other Job's selector finds them."""
    uid = meta.uid or ""
    return {
        CONTROLLER_UID: uid,
        JOB_NAME: meta.name,
        LEGACY_CONTROLLER_UID: uid,
        LEGACY_JOB_NAME: meta.name,
    }


def _with_selector(meta: ObjectMeta, spec: JobSpec) -> JobSpec:
    """What the author set is left alone: the check finds it where it conflicts."""
    given = spec.template.metadata or ObjectMeta()
    made = replace(given, labels={**_generated(meta), **given.labels})
    selector = spec.selector or LabelSelector()
    match = {CONTROLLER_UID: meta.uid or "", **selector.match_labels}
    return replace(
        spec,
        template=replace(spec.template, metadata=made),
        selector=replace(selector, match_labels=match),
    )


def check_job(job: Job) -> Problems:
    spec = job.spec
    found = _check_generated(job) if not spec.manual_selector else []
    found += check_job_spec(spec, "spec")
    own = spec.template.metadata.labels if spec.template.metadata else {}
    if spec.selector is None:
        found.append(required("spec.selector"))
    else:
        found += check_selector(spec.selector, "spec.selector")
        if not spec.selector.matches(own):
            found.append(invalid("spec.template.metadata.labels", own, _MISMATCH))
    if is_indexed(spec) and spec.completions:
        longest = f"{job.metadata.name}-{spec.completions - 1}"
        if labels.dns1123_label(longest):
            detail = f"will not able to create pod with invalid DNS label: {longest}"
            found.append(invalid("metadata.name", job.metadata.name, detail))
    return found


def _check_generated(job: Job) -> Problems:
    """Labels that the author set in the place of the generated ones."""
    path = "spec.template.metadata.labels"
    own = job.spec.template.metadata.labels if job.spec.template.metadata else {}
    expected = _generated(job.metadata)
    found = [
        invalid(f"{path}[{key}]", own.get(key, ""), f"must be '{value}'")
        for key, value in expected.items()
        if own.get(key) != value
    ]
    selector = job.spec.selector
    if selector is not None and not selector.matches(expected):
        detail = "`selector` not auto-generated"
        found.append(invalid("spec.selector", selector_shown(selector), detail))
    return found


def check_job_spec(spec: JobSpec, path: str) -> Problems:
    """What holds for the spec of a Job and for that in a CronJob's template."""
    found: Problems = []
    for field, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
    ):
        found += not_negative(f"{path}.{field}", value)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        detail = "when maxFailedIndexes is specified"
        found.append(required(f"{path}.backoffLimitPerIndex", detail))
    if spec.managed_by is not None:
        found += _check_manager(spec.managed_by, f"{path}.managedBy")
    found += one_of(f"{path}.completionMode", spec.completion_mode, (NON_INDEXED, INDEXED))
    found += _check_indexed(spec, path) if is_indexed(spec) else _check_not_indexed(spec, path)
    found += check_failure_policy(spec, f"{path}.podFailurePolicy")
    found += check_success_policy(spec, f"{path}.successPolicy")
    found += _check_replacement(spec, f"{path}.podReplacementPolicy")
    return found + _check_template(spec, f"{path}.template")


def _check_manager(manager: str, path: str) -> Problems:
    domain, slash, rest = manager.partition("/")
    found: Problems = []
    if not (domain and slash and rest):
        detail = "must be a domain-prefixed path (such as 'acme.io/foo')"
        found.append(invalid(path, manager, detail))
    else:
        found += [invalid(path, domain, why) for why in labels.dns1123_subdomain(domain)]
    if len(manager) > _MANAGER_LONGEST:
        found.append(too_long(path, _MANAGER_LONGEST))
    return found


def _check_indexed(spec: JobSpec, path: str) -> Problems:
    found: Problems = []
    parallelism, completions = spec.parallelism or 0, spec.completions
    most = spec.max_failed_indexes
    if completions is None:
        found.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism > _INDEXED_PARALLELISM_MOST:
        detail = f"must be less than or equal to {_INDEXED_PARALLELISM_MOST} when completion mode is Indexed"
        found.append(invalid(f"{path}.parallelism", parallelism, detail))
    if completions is not None and most is not None and most > completions:
        detail = "must be less than or equal to completions"
        found.append(invalid(f"{path}.maxFailedIndexes", most, detail))
    if most is not None and most > _FAILED_INDEXES_MOST:
        detail = f"must be less than or equal to {_FAILED_INDEXES_MOST}"
        found.append(invalid(f"{path}.maxFailedIndexes", most, detail))
    many = completions is not None and completions > _MANY_COMPLETIONS
    if many and spec.backoff_limit_per_index is not None:
        above = (
            f"when completions are above {_MANY_COMPLETIONS} and used with backoff limit per index"
        )
        if most is None:
            detail = f"must be specified when completions is above {_MANY_COMPLETIONS}"
            found.append(required(f"{path}.maxFailedIndexes", detail))
        elif most > _THEN_FAILED:
            detail = f"must be less than or equal to {_THEN_FAILED} {above}"
            found.append(invalid(f"{path}.maxFailedIndexes", most, detail))
        if parallelism > _THEN_PARALLELISM:
            detail = f"must be less than or equal to {_THEN_PARALLELISM} {above}"
            found.append(invalid(f"{path}.parallelism", parallelism, detail))
    return found


def _check_not_indexed(spec: JobSpec, path: str) -> Problems:
    return [
        invalid(f"{path}.{field}", value, "requires indexed completion mode")
        for field, value in (
            ("backoffLimitPerIndex", spec.backoff_limit_per_index),
            ("maxFailedIndexes", spec.max_failed_indexes),
        )
        if value is not None
    ]


def _check_replacement(spec: JobSpec, path: str) -> Problems:
    """Where failures are judged, a pod that is still going has no verdict yet."""
    policy = spec.pod_replacement_policy
    if policy is not None and spec.pod_failure_policy is not None:
        return [] if policy == FAILED_ONLY else [not_supported(path, policy, (FAILED_ONLY,))]
    return one_of(path, policy, (FAILED_ONLY, TERMINATING_OR_FAILED))


def _check_template(spec: JobSpec, path: str) -> Problems:
    template = spec.template
    found = check_template_metadata(template.metadata, f"{path}.metadata")
    found += check_pod_spec(template.spec, f"{path}.spec")
    policy, path = template.spec.restart_policy, f"{path}.spec.restartPolicy"
    if policy in (None, "", "Always"):
        found.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif spec.pod_failure_policy is not None and policy == "OnFailure":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        found.append(invalid(path, policy, detail))
    return found


def check_job_change(job: Job, old: Job) -> Problems:
    spec, was = job.spec, old.spec
    found = _check_completions(spec, was)
    if spec.selector != was.selector:
        shown = selector_shown(spec.selector or LabelSelector())
        found.append(invalid("spec.selector", shown, IMMUTABLE))
    if spec.template != _with_scheduling_of(was.template, spec.template, old):
        found.append(invalid("spec.template", spec.template, IMMUTABLE))
    return found + [
        invalid(f"spec.{field}", now, IMMUTABLE)
        for field, now, then in (
            ("completionMode", spec.completion_mode, was.completion_mode),
            ("podFailurePolicy", spec.pod_failure_policy, was.pod_failure_policy),
            ("backoffLimitPerIndex", spec.backoff_limit_per_index, was.backoff_limit_per_index),
            ("managedBy", spec.managed_by, was.managed_by),
            ("successPolicy", spec.success_policy, was.success_policy),
        )
        if now != then
    ]


def _check_completions(spec: JobSpec, was: JobSpec) -> Problems:
    """An Indexed Job may grow and shrink, with its parallelism."""
    now = spec.completions
    if now == was.completions or (is_indexed(spec) and now is None):
        return []
    if not is_indexed(spec):
        return [invalid("spec.completions", now, IMMUTABLE)]
    if now != spec.parallelism:
        detail = "can only be modified in tandem with spec.parallelism"
        return [invalid("spec.completions", now, detail)]
    return []


def _with_scheduling_of(was: PodTemplateSpec, now: PodTemplateSpec, old: Job) -> PodTemplateSpec:
    """The old template, with what may still change: where a Job that is suspended and has run no pod
    yet is to run (queueing systems write it)."""
    never_ran = old.status is None or old.status.start_time is None
    if not (old.spec.suspend and never_ran):
        return was
    meta, then = now.metadata or ObjectMeta(), was.metadata or ObjectMeta()
    return replace(
        was,
        metadata=replace(then, labels=meta.labels, annotations=meta.annotations)
        if was.metadata or now.metadata
        else None,
        spec=replace(
            was.spec,
            node_selector=now.spec.node_selector,
            affinity=now.spec.affinity,
            tolerations=now.spec.tolerations,
            scheduling_gates=now.spec.scheduling_gates,
        ),
    )
