"""The rules that the recordings don't lean on, and what holds for every visit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.scaling.hpa import (
    Behavior,
    ContainerRequest,
    ExternalReading,
    HpaConfig,
    HpaSpec,
    HpaState,
    HpaStatus,
    Metric,
    MetricType,
    ObjectReading,
    PodRequests,
    PodSeen,
    PodUsage,
    Policy,
    PolicyType,
    Readiness,
    Recommendation,
    ResourceReading,
    Rules,
    Scale,
    Seen,
    Select,
    Target,
    TargetType,
    Visit,
    finish,
    visit,
)

CONFIG = HpaConfig()
NOW_S = 10_000.0
CPU = Metric(MetricType.RESOURCE, "cpu", Target(TargetType.UTILIZATION, 50))
LAG = Metric(MetricType.EXTERNAL, "lag", Target(TargetType.AVERAGE, 10_000))
SPEC = HpaSpec("default", "Deployment", "web", 10, (CPU,))


def asking(milli: dict[str, int] | None = None, **more: object) -> PodRequests:
    container = ContainerRequest("main", {"cpu": 1000} if milli is None else milli)
    return PodRequests((container,), **more)  # type: ignore[arg-type]


def pod(name: str = "a", requests: PodRequests | None = None) -> PodSeen:
    """Ready since long ago."""
    ready = Readiness("True", 100.0)
    return PodSeen(name, "Running", False, 50.0, ready, requests or asking())


def using(*milli: int) -> ResourceReading:
    """Pods a, b, c ... use so many thousandths of a core."""
    return ResourceReading(
        tuple(
            PodUsage(chr(97 + n), NOW_S - 5, 15.0, (("main", {"cpu": amount}),))
            for n, amount in enumerate(milli)
        )
    )


def seen(*milli: int, replicas: int | None = None, **more: object) -> Seen:
    count = len(milli) if replicas is None else replicas
    scale = Scale(count, count, "app=web")
    pods = tuple(pod(chr(97 + n)) for n in range(len(milli)))
    found = Seen(NOW_S, scale, pods, readings=(using(*milli),))
    return replace(found, **more)  # type: ignore[arg-type]


def visited(spec: HpaSpec, seen_: Seen, state: HpaState | None = None) -> Visit:
    return visit(spec, CONFIG, state or HpaState(), HpaStatus(), seen_)


def failure(found: Visit) -> str:
    condition = found.status.condition("ScalingActive")
    assert condition is not None
    assert not condition.status
    return condition.message


def test_pods_that_others_choose_too_stop_the_visit_and_all_are_named():
    found = visited(SPEC, seen(900, rivals=("{one default}", "{web default}")))
    said = "pods by selector app=web are controlled by multiple HPAs: [{one default} {web default}]"
    assert (found.rescale, failure(found)) == (None, said)
    assert [e.reason for e in found.events] == ["AmbiguousSelector", "FailedComputeMetricsReplicas"]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        pytest.param(
            asking({"memory": 1}), "missing request for cpu in container main of Pod a", id="none"
        ),
        pytest.param(
            asking({}, pod={"memory": 1}),
            "missing pod-level request for cpu in Pod a",
            id="pod level",
        ),
        pytest.param(asking({"cpu": 0}), "no metrics returned matched known pods", id="zero"),
    ],
)
def test_a_utilization_without_a_request_is_no_figure(requests, said):
    found = visited(SPEC, seen(900, pods=(pod("a", requests),)))
    assert failure(found).endswith(said)


@pytest.mark.parametrize(
    ("requests", "replicas"),
    [
        pytest.param(
            asking(pod={"cpu": 4000}), None, id="the pod level goes before the containers"
        ),
        pytest.param(
            asking(pod={"memory": 1}, overhead={"cpu": 3000}), None, id="with the overhead"
        ),
        pytest.param(
            asking({"cpu": 1000}, init=(ContainerRequest("side", {"cpu": 3000}, always=True),)),
            None,
            id="a sidecar lasts",
        ),
        pytest.param(
            asking({"cpu": 1000}, init=(ContainerRequest("setup", {"cpu": 3000}),)),
            4,
            id="what only runs at the start doesn't count",
        ),
        pytest.param(
            asking(
                {"cpu": 1000}, init=(ContainerRequest("setup", {"cpu": 4000}),), pod={"memory": 1}
            ),
            None,
            id="but to the scheduler it does",
        ),
    ],
)
def test_what_a_pod_asks_for(requests, replicas):
    """Two cores used: 50 % of four cores, 200 % of one."""
    found = visited(SPEC, seen(2000, pods=(pod("a", requests),)))
    assert (found.rescale.to if found.rescale else None) == replicas


def test_a_container_that_a_pod_has_not_is_named():
    inside = Metric(MetricType.CONTAINER, "cpu", Target(TargetType.UTILIZATION, 50), container="x")
    reading = ResourceReading((PodUsage("a", NOW_S, 15.0, (("x", {"cpu": 1}),)),))
    found = visited(replace(SPEC, metrics=(inside,)), seen(1, readings=(reading,)))
    assert failure(found).endswith("container x not found in Pod a")


def test_a_metric_of_nobody_is_of_the_observed_replicas():
    spec = replace(SPEC, metrics=(LAG,))
    scale = Scale(replicas=5, observed=0, selector="app=web")
    found = visited(spec, Seen(NOW_S, scale, readings=(ExternalReading((30_000,)),)))
    assert found.status.metrics[0] is not None
    # three wanted, but the five that were there a moment ago are kept for the window
    assert (found.rescale, found.status.desired) == (None, 5)
    assert [r.replicas for r in found.state.recommendations] == [5, 3]


def test_a_value_that_is_right_needs_no_pods_and_another_one_does():
    front = Metric(MetricType.OBJECT, "rps", Target(TargetType.VALUE, 1000), object_kind="Ingress")
    spec = replace(SPEC, metrics=(front,))
    scale = Scale(2, 2, "app=web")
    right = visited(spec, Seen(NOW_S, scale, readings=(ObjectReading(1050),)))
    wrong = visited(spec, Seen(NOW_S, scale, readings=(ObjectReading(2000),)))
    assert (right.rescale, right.status.desired) == (None, 2)
    said = "unable to calculate ready pods: no pods returned by selector"
    assert said in failure(wrong)


def test_a_failed_write_is_told_and_changes_nothing_that_counts_as_done():
    found = visited(SPEC, seen(2000))
    assert found.rescale is not None
    failed = finish(found, SPEC, CONFIG, NOW_S, failure="the disk is full")
    assert failed.events[-1].message.endswith("above target; error: the disk is full")
    assert (failed.status.desired, failed.status.last_scale_s) == (0, None)
    assert failed.error == "failed to rescale Deployment/default/web: the disk is full"


def test_a_stale_change_gives_its_place_to_the_next():
    policies = (Policy(PolicyType.PODS, 4, 15),)
    spec = replace(SPEC, behavior=Behavior(Rules(policies), Rules(policies, window_s=0)))
    first = finish(visited(spec, seen(2000)), spec, CONFIG, NOW_S)
    later = replace(seen(2000, 2000, 2000, 2000), now_s=NOW_S + 60)
    second = visit(spec, CONFIG, first.state, first.status, later)
    done = finish(second, spec, CONFIG, NOW_S + 60)
    assert [event.change for event in first.state.ups] == [3]
    assert [event.change for event in done.state.ups] == [4]


def test_a_direction_that_is_switched_off_stays():
    off = Rules((Policy(PolicyType.PODS, 4, 15),), select=Select.DISABLED)
    spec = replace(SPEC, behavior=Behavior(off, off))
    found = visited(spec, seen(2000))
    assert found.rescale is None
    limited = found.status.condition("ScalingLimited")
    assert limited is not None
    assert limited.reason == "ScaleUpLimit"


@pytest.mark.parametrize(("lag", "reason"), [(0, ""), (10_000, "above target")])
def test_a_raised_least_brings_back_from_zero_whatever_the_rate(lag, reason):
    slow = Rules((Policy(PolicyType.PODS, 1, 15),), window_s=0)
    spec = replace(SPEC, metrics=(LAG,), min_replicas=3, behavior=Behavior(slow, slow))
    config = HpaConfig(scale_to_zero=True)
    status = HpaStatus().told("ScaledToZero", True, "ScaledToZero", "", NOW_S)
    found = Seen(NOW_S, Scale(0, 0, "app=web"), readings=(ExternalReading((lag,)),))
    one = visit(spec, config, HpaState(), status, found)
    assert one.rescale is not None
    assert one.rescale.to == 3
    assert one.rescale.reason.endswith(reason)
    after = finish(one, spec, config, NOW_S).status.condition("ScaledToZero")
    assert after is not None
    assert after.reason == "NotScaledToZero"


def test_with_the_gate_off_nothing_is_brought_back_from_zero_whoever_brought_it_there():
    spec = replace(SPEC, metrics=(LAG,), min_replicas=1)
    status = HpaStatus().told("ScaledToZero", True, "ScaledToZero", "", NOW_S)
    found = Seen(NOW_S, Scale(0, 0, "app=web"), readings=(ExternalReading((10_000,)),))
    one = visit(spec, HpaConfig(scale_to_zero=False), HpaState(), status, found)
    assert one.rescale is None
    assert one.status.condition("ScaledToZero") is None
    active = one.status.condition("ScalingActive")
    assert active is not None
    assert active.reason == "ScalingDisabled"


# --- for every visit

BEHAVIORS = st.none() | st.builds(
    Behavior,
    *(
        st.builds(
            Rules,
            policies=st.lists(
                st.builds(
                    Policy, st.sampled_from(PolicyType), st.integers(1, 300), st.integers(1, 1800)
                ),
                min_size=1,
                max_size=3,
            ).map(tuple),
            select=st.sampled_from(Select),
            window_s=st.none() | st.integers(0, 3600),
        )
        for _ in range(2)
    ),
)
HISTORY = st.lists(
    st.builds(Recommendation, st.integers(0, 50), st.floats(NOW_S - 4000, NOW_S)), max_size=6
).map(tuple)


@given(
    usage=st.lists(st.integers(0, 5000), min_size=1, max_size=6),
    bounds=st.tuples(st.integers(1, 8), st.integers(1, 12)).map(sorted),
    wish=st.integers(1, 20),
    behavior=BEHAVIORS,
    history=HISTORY,
)
def test_a_new_count_is_within_the_bounds_and_no_order_of_pods_changes_it(
    usage, bounds, wish, behavior, history
):
    least, most = bounds
    spec = replace(SPEC, min_replicas=least, max_replicas=most, behavior=behavior)
    state, found = HpaState(history), seen(*usage, replicas=wish)
    one = visited(spec, found, state)
    turned = replace(
        found,
        pods=found.pods[::-1],
        readings=(ResourceReading(found.readings[0].items[::-1]),),  # type: ignore[union-attr]
    )
    assert visited(spec, turned, state) == one
    assert one.rescale is None or (least <= one.rescale.to <= most and one.rescale.to != wish)
    assert len(one.state.recommendations) <= max(1, len(history)) + 1
