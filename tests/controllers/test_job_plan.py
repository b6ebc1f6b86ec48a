"""A Job's plan under any order of events: pods end as they like, and whoever carries it out is killed
between any two of its steps."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec.structs import replace

from tidegate.controllers.job.failures import left_s
from tidegate.controllers.job.plan import plan_job, settled
from tidegate.controllers.job.pods import desired_pod, index_of, is_active, is_tracked, phase_of
from tidegate.model.admission.jobs import default_job
from tidegate.model.conditions import timestamp
from tidegate.model.job_indexes import BadIndexes, indexes_of, parse_indexes, read_indexes
from tidegate.model.jobs import TRACKING, Job, JobStatus, ended_as
from tidegate.model.pods import Pod, PodStatus
from tidegate.model.wire import read

BEGAN_S = 1_800_000_000.0


class JobMachine(RuleBasedStateMachine):
    """A cluster of one Job: `look` carries a plan out, as far as it gets before it is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.made = BEGAN_S, 0
        self.pods: dict[str, Pod] = {}
        self.ever_succeeded: list[int | None] = []

    @initialize(
        indexed=st.booleans(),
        completions=st.integers(1, 6),
        parallelism=st.integers(1, 4),
        replacement=st.sampled_from(["Failed", "TerminatingOrFailed"]),
    )
    def begin(self, indexed, completions, parallelism, replacement):
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
        raw = {
            "metadata": {"name": "sums", "namespace": "default", "uid": "u"},
            "spec": {
                "completions": completions,
                "parallelism": parallelism,
                "completionMode": "Indexed" if indexed else "NonIndexed",
                "podReplacementPolicy": replacement,
                "backoffLimit": 100,
                "template": {"spec": pod},
            },
        }
        self.job: Job = default_job(read(raw, Job)[0], None)
        self.indexed, self.completions = indexed, completions

    # --- what the world does

    @rule(seconds=st.sampled_from([1, 15, 700]))
    def time_passes(self, seconds):
        self.now_s += seconds

    @precondition(lambda self: self.running())
    @rule(data=st.data(), good=st.booleans())
    def a_pod_ends(self, data, good):
        pod = data.draw(st.sampled_from(self.running()))
        if good:
            self.ever_succeeded.append(index_of(pod))
        self.write(pod, phase="Succeeded" if good else "Failed")

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def a_pod_is_deleted(self, data):
        self.delete(data.draw(st.sampled_from(sorted(self.pods))))

    @rule(parallelism=st.integers(0, 4))
    def parallelism_changes(self, parallelism):
        self.job = replace(self.job, spec=replace(self.job.spec, parallelism=parallelism))

    @rule(suspend=st.booleans())
    def it_is_suspended_or_resumed(self, suspend):
        self.job = replace(self.job, spec=replace(self.job.spec, suspend=suspend))

    # --- the controller

    @precondition(lambda self: ended_as(self.job) is None)
    @rule(steps=st.integers(0, 12))
    def look_and_be_killed(self, steps):
        self.carry_out(steps)

    @precondition(lambda self: ended_as(self.job) is None)
    @rule(left=st.integers(1, 4))
    def look_and_be_killed_at_the_end(self, left):
        self.carry_out(-left)

    @precondition(lambda self: ended_as(self.job) is None)
    @rule()
    def look(self):
        self.carry_out(10_000)
        most = 0 if self.job.spec.suspend else self.job.spec.parallelism or 0
        assert len(self.running()) <= most

    def carry_out(self, steps: int) -> None:
        plan = plan_job(self.job, tuple(self.pods.values()), now_s=self.now_s)
        work = [
            *[lambda p=p: self.drop(p) for p in plan.drop],
            *[lambda p=p: self.delete(p.metadata.name) for p in plan.end],
            *[lambda i=i: self.make(i) for i in plan.create],
            lambda: self.say(plan.status),
            *[lambda p=p: self.untrack(p.metadata.name) for p in plan.release],
            lambda: self.say(self.settled(plan)),
        ]
        for step in work[:steps]:
            step()

    def settled(self, plan) -> JobStatus:
        tracked = {pod.metadata.uid or "" for pod in self.pods.values() if is_tracked(pod)}
        return settled(plan, self.job.status or JobStatus(), tracked, now_s=self.now_s)

    def say(self, status: JobStatus) -> None:
        self.job = replace(self.job, status=status)

    def make(self, index: int | None) -> None:
        self.made += 1
        pod = desired_pod(self.job, index)
        name = f"pod-{self.made:04}"
        meta = replace(pod.metadata, name=name, uid=name, creation_timestamp=timestamp(self.now_s))
        status = PodStatus(phase="Running")
        self.pods[name] = replace(pod, metadata=meta, status=status)

    def drop(self, pod: Pod) -> None:
        self.untrack(pod.metadata.name)
        self.delete(pod.metadata.name)

    def write(self, pod: Pod, *, phase: str) -> None:
        self.pods[pod.metadata.name] = replace(pod, status=PodStatus(phase=phase))

    def delete(self, name: str) -> None:
        pod = self.pods.get(name)
        if pod is None:
            return
        gone = replace(
            pod.metadata, deletion_timestamp=timestamp(self.now_s), deletion_grace_period_seconds=0
        )
        self.pods[name] = replace(pod, metadata=gone)
        self.sweep(name)

    def untrack(self, name: str) -> None:
        pod = self.pods.get(name)
        if pod is not None:
            kept = tuple(f for f in pod.metadata.finalizers if f != TRACKING)
            self.pods[name] = replace(pod, metadata=replace(pod.metadata, finalizers=kept))
            self.sweep(name)

    def sweep(self, name: str) -> None:
        meta = self.pods[name].metadata
        if meta.deletion_timestamp and not meta.finalizers:
            del self.pods[name]

    def running(self) -> list[Pod]:
        return [pod for pod in self.pods.values() if is_active(pod)]

    # --- what always holds

    @invariant()
    def never_more_succeed_than_are_wanted(self):
        status = self.status()
        assert (status.succeeded or 0) <= self.completions

    @invariant()
    def counts_are_of_pods_that_were(self):
        status = self.status()
        assert (status.succeeded or 0) <= len(self.ever_succeeded)
        assert (status.succeeded or 0) + (status.failed or 0) <= self.made

    @invariant()
    def each_index_runs_once_at_a_time(self):
        if getattr(self, "indexed", False):
            running = [index_of(pod) for pod in self.running() if is_tracked(pod)]
            assert len(running) == len(set(running))

    @invariant()
    def complete_means_all_of_it(self):
        if hasattr(self, "job") and ended_as(self.job) == "Complete":
            assert self.status().succeeded == self.completions
            assert not any(is_tracked(pod) for pod in self.pods.values())
            if self.indexed:
                done = read_indexes(self.status().completed_indexes, self.completions)
                assert list(done.missing(self.completions)) == []

    def status(self) -> JobStatus:
        job = getattr(self, "job", None)
        return (job.status if job is not None else None) or JobStatus()

    def teardown(self) -> None:
        """Left alone, and with pods that succeed, every Job comes to its end with the right counts."""
        if not hasattr(self, "job"):
            return
        self.job = replace(self.job, spec=replace(self.job.spec, suspend=False, parallelism=2))
        for _ in range(60):
            if ended_as(self.job) is not None:
                break
            self.now_s += 1000
            self.carry_out(10_000)
            assert len(self.running()) <= 2
            for pod in self.running():
                self.ever_succeeded.append(index_of(pod))
                self.write(pod, phase="Succeeded")
        assert ended_as(self.job) is not None
        if ended_as(self.job) == "Complete":
            assert self.status().succeeded == self.completions


TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(
    ("failures", "wait_s"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (50, 600)]
)
def test_the_wait_doubles_from_ten_seconds_to_ten_minutes(failures, wait_s):
    assert left_s(failures, BEGAN_S, now_s=BEGAN_S) == wait_s


def test_what_has_passed_since_the_last_failure_counts():
    assert left_s(2, BEGAN_S, now_s=BEGAN_S + 15) == 5
    assert left_s(2, BEGAN_S, now_s=BEGAN_S + 25) == 0


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([0, 1], "0,1"), ([4, 2, 3], "2-4"), ([0, 2, 3, 4, 9], "0,2-4,9")],
)
def test_indexes_are_written_as_upstream_writes_them(numbers, text):
    assert str(indexes_of(numbers)) == text
    assert parse_indexes(text, 10) == read_indexes(text, 10) == indexes_of(numbers)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1-2-3", "at most two parts"),
        ("a", 'cannot convert string to integer for index: "a"'),
        ("5", 'too large index: "5"'),
        ("3,1", "non-increasing order, previous: 3, current: 1"),
        ("3-1", "non-increasing order, previous: 3, current: 1"),
    ],
)
def test_indexes_that_are_none_say_why(text, why):
    with pytest.raises(BadIndexes, match=why):
        parse_indexes(text, 5)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_was_named_before_a_kill_is_counted_once(phase):
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    raw = {
        "metadata": {"name": "sums", "namespace": "default", "uid": "u"},
        "spec": {"completions": 3, "parallelism": 1, "template": {"spec": pod}},
    }
    job = default_job(read(raw, Job)[0], None)
    one = desired_pod(job)
    meta = replace(one.metadata, name="p", uid="p", creation_timestamp=timestamp(BEGAN_S))
    ended = replace(one, metadata=meta, status=PodStatus(phase=phase))
    named = plan_job(job, (ended,), now_s=BEGAN_S).status
    again = plan_job(replace(job, status=named), (ended,), now_s=BEGAN_S)
    after = settled(again, again.status, set(), now_s=BEGAN_S)
    assert (after.succeeded or 0) + (after.failed or 0) == 1


def test_a_success_is_a_fact_even_when_the_pod_was_deleted_then():
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    raw = {
        "metadata": {"name": "sums", "namespace": "default", "uid": "u"},
        "spec": {"template": {"spec": pod}},
    }
    job = default_job(read(raw, Job)[0], None)
    one = desired_pod(job)
    meta = replace(one.metadata, name="p", uid="p", deletion_timestamp=timestamp(BEGAN_S))
    ended = replace(one, metadata=meta, status=PodStatus(phase="Succeeded"))
    plan = plan_job(job, (ended,), now_s=BEGAN_S)
    assert phase_of(plan.release[0]) == "Succeeded"
    assert settled(plan, plan.status, set(), now_s=BEGAN_S).succeeded == 1


def test_a_job_that_is_being_deleted_starts_nothing_more_and_ends_nothing_itself():
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    raw = {
        "metadata": {"name": "sums", "namespace": "default", "uid": "u"},
        "spec": {"completions": 3, "parallelism": 2, "template": {"spec": pod}},
    }
    job = default_job(read(raw, Job)[0], None)
    assert len(plan_job(job, (), now_s=BEGAN_S).create) == 2
    one = desired_pod(job)
    running = replace(one, metadata=replace(one.metadata, name="p", uid="p"))
    going = replace(job, metadata=replace(job.metadata, deletion_timestamp=timestamp(BEGAN_S)))
    plan = plan_job(going, (running,), now_s=BEGAN_S)
    assert (plan.create, plan.end) == ((), ())
    assert plan.status.active == 1
    suspended = replace(going, spec=replace(going.spec, suspend=True))
    assert plan_job(suspended, (running,), now_s=BEGAN_S).said == ()


def test_what_a_success_policy_ended_has_not_failed_however_often_the_controller_looks():
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    raw = {
        "metadata": {"name": "sums", "namespace": "default", "uid": "u"},
        "spec": {
            "completions": 2,
            "parallelism": 2,
            "completionMode": "Indexed",
            "successPolicy": {"rules": [{"succeededCount": 1}]},
            "template": {"spec": pod},
        },
    }
    job = default_job(read(raw, Job)[0], None)
    done, other = (
        replace(made, metadata=replace(made.metadata, name=f"p{n}", uid=f"p{n}"))
        for n, made in enumerate(desired_pod(job, n) for n in range(2))
    )
    done = replace(done, status=PodStatus(phase="Succeeded"))
    first = plan_job(job, (done, other), now_s=BEGAN_S)
    assert first.end == (other,)
    going = replace(
        other, metadata=replace(other.metadata, deletion_timestamp=timestamp(BEGAN_S + 1))
    )
    again = plan_job(replace(job, status=first.status), (done, going), now_s=BEGAN_S + 1)
    after = settled(again, again.status, set(), now_s=BEGAN_S + 1)
    assert (after.succeeded, after.failed) == (1, None)


@pytest.mark.parametrize(
    ("rule", "done", "met"),
    [
        ({"succeededIndexes": "1-2"}, {0, 1}, False),
        ({"succeededIndexes": "1-2"}, {1, 2}, True),
        ({"succeededIndexes": "1-2", "succeededCount": 1}, {0}, False),
        ({"succeededIndexes": "1-2", "succeededCount": 1}, {2}, True),
        ({"succeededCount": 2}, {0}, False),
        ({"succeededCount": 2}, {0, 2}, True),
    ],
)
def test_a_success_policy_looks_at_its_indexes_and_its_count(rule, done, met):
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    raw = {
        "metadata": {"name": "sums", "namespace": "default", "uid": "u"},
        "spec": {
            "completions": 4,
            "parallelism": 4,
            "completionMode": "Indexed",
            "successPolicy": {"rules": [rule]},
            "template": {"spec": pod},
        },
    }
    job = default_job(read(raw, Job)[0], None)
    pods = []
    for n in range(4):
        one = desired_pod(job, n)
        phase = "Succeeded" if n in done else "Running"
        named = replace(one.metadata, name=f"p{n}", uid=f"p{n}")
        pods.append(replace(one, metadata=named, status=PodStatus(phase=phase)))
    plan = plan_job(job, pods, now_s=BEGAN_S)
    assert ("SuccessCriteriaMet" in {c.type for c in plan.status.conditions}) is met
    assert bool(plan.end) is met
