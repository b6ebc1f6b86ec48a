"""batch/v1: Job and CronJob.

Source: k8s.io/api/batch/v1/types.go.
"""

from __future__ import annotations

from tidegate.model.conditions import is_true
from tidegate.model.meta import Condition, LabelSelector, Object, ObjectMeta, ObjectReference
from tidegate.model.pods import PodTemplateSpec
from tidegate.model.wire import Wire, always

GROUP = "batch.kubernetes.io"
#: Keeps a pod that has ended until its Job has counted it.
TRACKING = f"{GROUP}/job-tracking"
CONTROLLER_UID, JOB_NAME = f"{GROUP}/controller-uid", f"{GROUP}/job-name"
LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME = "controller-uid", "job-name"
COMPLETION_INDEX = f"{GROUP}/job-completion-index"
INDEX_FAILURES = f"{GROUP}/job-index-failure-count"
INDEX_IGNORED_FAILURES = f"{GROUP}/job-index-ignored-failure-count"
SCHEDULED_AT = f"{GROUP}/cronjob-scheduled-timestamp"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
#: What `managedBy` may say for the controller here to look after a Job.
OWN_CONTROLLER = "kubernetes.io/job-controller"

INDEXED, NON_INDEXED = "Indexed", "NonIndexed"
IGNORE, COUNT, FAIL_JOB, FAIL_INDEX = "Ignore", "Count", "FailJob", "FailIndex"
FAILED_ONLY, TERMINATING_OR_FAILED = "Failed", "TerminatingOrFailed"
ALLOW, FORBID, REPLACE = "Allow", "Forbid", "Replace"

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
#: Said before the last pods are gone; Complete and Failed come after them.
SUCCESS_CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"


class OnExitCodes(Wire, frozen=True, kw_only=True):
    """`container_name` None: any container."""

    container_name: str | None = None
    operator: str = ""
    values: tuple[int, ...] = ()


class OnPodCondition(Wire, frozen=True, kw_only=True):
    type: str = ""
    status: str | None = None


class PodFailurePolicyRule(Wire, frozen=True, kw_only=True):
    action: str = ""
    on_exit_codes: OnExitCodes | None = None
    on_pod_conditions: tuple[OnPodCondition, ...] = ()


class PodFailurePolicy(Wire, frozen=True, kw_only=True):
    """The first rule that matches decides; none: the failure counts."""

    rules: tuple[PodFailurePolicyRule, ...] = ()


class SuccessPolicyRule(Wire, frozen=True, kw_only=True):
    """`succeeded_indexes` as `0-3,7`; with `succeeded_count` so many of them suffice."""

    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(Wire, frozen=True, kw_only=True):
    rules: tuple[SuccessPolicyRule, ...] = ()


class JobSpec(Wire, frozen=True, kw_only=True):
    """`completions` None: done once any pod has succeeded and the others have ended."""

    parallelism: int | None = None
    completions: int | None = None
    active_deadline_seconds: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    selector: LabelSelector | None = None
    manual_selector: bool | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    ttl_seconds_after_finished: int | None = None
    completion_mode: str | None = None
    suspend: bool | None = None
    pod_replacement_policy: str | None = None
    managed_by: str | None = None


class UncountedTerminatedPods(Wire, frozen=True, kw_only=True):
    """uids of pods that have ended, are named here, and not yet in the counts."""

    succeeded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class JobStatus(Wire, frozen=True, kw_only=True):
    """`succeeded` and `failed` count pods that lost their finalizer; the others are in
    `uncounted_terminated_pods` meanwhile, so that nothing is counted twice or never."""

    conditions: tuple[Condition, ...] = ()
    start_time: str | None = None
    completion_time: str | None = None
    active: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    terminating: int | None = None
    completed_indexes: str | None = None
    failed_indexes: str | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None
    ready: int | None = None


class Job(Object, frozen=True, kw_only=True):
    spec: JobSpec = JobSpec()
    status: JobStatus | None = None


class JobTemplateSpec(Wire, frozen=True, kw_only=True):
    metadata: ObjectMeta | None = None
    spec: JobSpec = JobSpec()


class CronJobSpec(Wire, frozen=True, kw_only=True):
    """`time_zone` None: the zone of the machine. `starting_deadline_seconds` None: a missed start is
    made up however late it is."""

    schedule: str = always("")
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str | None = None
    suspend: bool | None = None
    job_template: JobTemplateSpec = JobTemplateSpec()
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None


class CronJobStatus(Wire, frozen=True, kw_only=True):
    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(Object, frozen=True, kw_only=True):
    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus | None = None


def ended_as(job: Job) -> str | None:
    """Complete or Failed; None: the Job goes on."""
    conditions = job.status.conditions if job.status else ()
    return next((type_ for type_ in (COMPLETE, FAILED) if is_true(conditions, type_)), None)


def is_indexed(spec: JobSpec) -> bool:
    return spec.completion_mode == INDEXED
