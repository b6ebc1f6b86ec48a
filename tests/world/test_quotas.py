"""A namespace's limits, kept by admission and counted by a controller."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.model.apps import Deployment, DeploymentSpec
from tidegate.model.containers import Container, ResourceRequirements
from tidegate.model.core import (
    ConfigMap,
    Event,
    Service,
    ServicePort,
    ServiceSpec,
)
from tidegate.model.errors import Forbidden, Invalid
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodTemplateSpec
from tidegate.model.quotas import (
    LimitRange,
    LimitRangeItem,
    LimitRangeSpec,
    ResourceQuota,
    ResourceQuotaSpec,
)
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def quota(scopes: tuple[str, ...] = (), **hard: str) -> ResourceQuota:
    named = {name.replace("__", "/").replace("_", "."): amount for name, amount in hard.items()}
    return ResourceQuota(
        metadata=ObjectMeta(name="q", namespace="default"),
        spec=ResourceQuotaSpec(hard=named, scopes=scopes),
    )


def limit_range(type_: str = "Container", **amounts: dict[str, str]) -> LimitRange:
    return LimitRange(
        metadata=ObjectMeta(name="l", namespace="default"),
        spec=LimitRangeSpec(limits=(LimitRangeItem(type=type_, **amounts),)),
    )


def pod(
    name: str, *, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None
) -> Pod:
    resources = ResourceRequirements(requests=requests or {}, limits=limits or {})
    container = Container(
        name="main", image="python:3", command=("sleep", "9"), resources=resources
    )
    return Pod(
        metadata=ObjectMeta(name=name, namespace="default"), spec=PodSpec(containers=(container,))
    )


def settings(name: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"))


def used(world: World) -> dict[str, object]:
    status = world.the(ResourceQuota, "q").status
    assert status is not None
    return dict(status.used)


async def test_objects_beyond_a_quota_are_refused_in_kubernetes_words_and_room_is_seen_again():
    async with world() as it:
        await it.given(quota(configmaps="1"), settings("a"))
        assert used(it) == {"configmaps": "1"}
        with pytest.raises(Forbidden) as refused:
            await it.api.create(settings("b"))
        assert str(refused.value) == (
            'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, '
            "used: configmaps=1, limited: configmaps=1"
        )
        await it.api.delete(ConfigMap, "default", "a")
        await it.settle()
        assert used(it) == {"configmaps": "0"}
        await it.given(settings("b"))


async def test_a_service_can_not_grow_beyond_a_quota_and_may_change_within_it():
    def web(type_: str, **labels: str) -> Service:
        return Service(
            metadata=ObjectMeta(name="web", namespace="default", labels=labels),
            spec=ServiceSpec(type=type_, ports=(ServicePort(port=80),)),
        )

    async with world() as it:
        await it.given(quota(services="1", services_loadbalancers="0"), web("ClusterIP"))
        await it.given(web("ClusterIP", a="b"))
        with pytest.raises(Forbidden, match=r"requested: services\.loadbalancers=1"):
            await it.given(web("LoadBalancer"))


async def test_two_writers_at_once_do_not_both_take_the_last_place():
    async with world() as it:
        await it.given(quota(count__configmaps="3"))
        made = [it.api.create(settings(f"c{n}")) for n in range(10)]
        answers = await asyncio.gather(*made, return_exceptions=True)
        assert sum(isinstance(answer, Forbidden) for answer in answers) == 7
        assert len(it.api.list(ConfigMap, "default")) == 3


async def test_cpu_and_memory_of_pods_add_up_and_are_written_as_the_limit_is():
    async with world() as it:
        await it.given(quota(requests_cpu="2", memory="1Gi", limits_cpu="3"))
        small = {"cpu": "500m", "memory": "512Mi"}
        await it.given(pod("a", requests=small, limits={"cpu": "1"}))
        assert used(it) == {"requests.cpu": "500m", "memory": "512Mi", "limits.cpu": "1"}
        with pytest.raises(Forbidden) as refused:
            await it.api.create(
                pod("b", requests={"cpu": "2", "memory": "1Gi"}, limits={"cpu": "2"})
            )
        assert str(refused.value) == (
            'pods "b" is forbidden: exceeded quota: q, requested: memory=1Gi,requests.cpu=2, '
            "used: memory=512Mi,requests.cpu=500m, limited: memory=1Gi,requests.cpu=2"
        )


async def test_a_pod_that_says_nothing_can_not_be_counted():
    async with world() as it:
        await it.given(quota(requests_cpu="2", limits_memory="1Gi"))
        with pytest.raises(Forbidden) as refused:
            await it.api.create(pod("a"))
        assert str(refused.value) == (
            'pods "a" is forbidden: failed quota: q: must specify '
            "limits.memory for: main; requests.cpu for: main"
        )


async def test_a_deployment_beyond_its_quota_tells_why_and_goes_on_once_there_is_room():
    async with world() as it:
        await it.given(quota(pods="1"))
        template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "web"}), spec=pod("x").spec)
        selector = LabelSelector(match_labels={"app": "web"})
        spec = DeploymentSpec(replicas=2, selector=selector, template=template)
        await it.given(Deployment(metadata=ObjectMeta(name="web", namespace="default"), spec=spec))
        assert len(it.api.list(Pod, "default")) == 1
        said = [event.message or "" for event in it.api.list(Event, "default")]
        assert any("exceeded quota: q" in message for message in said)
        await it.given(quota(pods="5"))
        await it.settle(120)
        assert len(it.api.list(Pod, "default")) == 2


async def test_scopes_choose_the_pods_that_count():
    async with world() as it:
        await it.given(quota(("BestEffort",), pods="1"))
        await it.given(pod("asks", requests={"cpu": "1"}), pod("takes-what-it-gets"))
        assert used(it) == {"pods": "1"}
        with pytest.raises(Forbidden):
            await it.api.create(pod("another"))


async def test_a_limit_range_fills_in_what_a_container_does_not_say():
    async with world() as it:
        await it.given(limit_range(default={"cpu": "1"}, default_request={"memory": "64Mi"}))
        await it.given(pod("a"), pod("b", limits={"cpu": "2"}))
        (a,), (b,) = (it.the(Pod, name).spec.containers for name in ("a", "b"))
        assert a.resources == ResourceRequirements(
            limits={"cpu": "1"}, requests={"cpu": "1", "memory": "64Mi"}
        )
        assert b.resources == ResourceRequirements(
            limits={"cpu": "2"}, requests={"cpu": "2", "memory": "64Mi"}
        )
        assert it.the(Pod, "a").metadata.annotations["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu, memory request for container main; "
            "cpu limit for container main"
        )


@pytest.mark.parametrize(
    ("limits", "asked", "told"),
    [
        pytest.param(
            limit_range(max={"cpu": "1"}),
            {"limits": {"cpu": "2"}},
            "maximum cpu usage per Container is 1, but limit is 2",
            id="too much",
        ),
        pytest.param(
            limit_range(min={"cpu": "1"}),
            {"requests": {"cpu": "500m"}},
            "minimum cpu usage per Container is 1, but request is 500m",
            id="too little",
        ),
        pytest.param(
            limit_range("Pod", max={"memory": "1Gi"}),
            {},
            "maximum memory usage per Pod is 1Gi. No limit is specified",
            id="nothing said",
        ),
        pytest.param(
            limit_range(max_limit_request_ratio={"cpu": "2"}),
            {"requests": {"cpu": "1"}, "limits": {"cpu": "4"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
            id="too far apart",
        ),
    ],
)
async def test_a_pod_outside_the_limits_is_refused(limits, asked, told):
    async with world() as it:
        await it.given(limits)
        with pytest.raises(Forbidden) as refused:
            await it.api.create(pod("a", **asked))
        assert str(refused.value) == f'pods "a" is forbidden: {told}'


async def test_what_a_quota_can_not_mean_is_refused():
    async with world() as it:
        with pytest.raises(Invalid, match=r"spec.hard\[pods\]: Invalid value: \"many\""):
            await it.api.create(quota(pods="many"))
        with pytest.raises(Invalid, match=r"Unsupported value: \"PriorityClass\""):
            await it.api.create(quota(("PriorityClass",), pods="1"))
        with pytest.raises(Invalid, match="min value 2 is greater than max value 1"):
            await it.api.create(limit_range(min={"cpu": "2"}, max={"cpu": "1"}))
