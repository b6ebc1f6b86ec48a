"""What a controller may rely on when it writes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.client.api import Change, ChangeType
from tidegate.model.apps import Deployment, DeploymentSpec, DeploymentStatus
from tidegate.model.core import ConfigMap, Namespace
from tidegate.model.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from tidegate.model.meta import ObjectMeta, touched
from tidegate.model.pods import Pod, PodSpec, PodStatus
from tidegate.testing.api import make_api


class StoppedClock:
    """2023-11-14T22:13:20Z, for good."""

    def now(self) -> float:
        return 1_700_000_000.0

    def monotonic(self) -> float:
        return 100.0

    async def sleep(self, after_s: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
async def api() -> LocalApi:
    api = make_api(StoppedClock())
    await ensure_namespaces(api)
    return api


def config(name: str = "c1", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


def deployment(**spec: Any) -> Deployment:
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default"), spec=DeploymentSpec(**spec)
    )


def pod(*, node: str | None = "here", grace_s: int | None = None, phase: str = "Running") -> Pod:
    return Pod(
        metadata=ObjectMeta(name="p", namespace="default"),
        spec=PodSpec(node_name=node, termination_grace_period_seconds=grace_s),
        status=PodStatus(phase=phase),
    )


async def test_a_new_object_gets_an_identity_a_time_and_its_first_generation(api):
    made = await api.create(deployment(replicas=2))
    meta = made.metadata
    assert (meta.uid, meta.creation_timestamp) == ("uid-4", "2023-11-14T22:13:20Z")
    assert (meta.generation, meta.resource_version) == (1, str(api.version))
    assert api.get(Deployment, "default", "web") is made


async def test_an_object_is_not_readable_before_it_is_committed(api):
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(api.create(config()))
        await asyncio.sleep(0)
        assert api.get(ConfigMap, "default", "c1") is None
    assert api.get(ConfigMap, "default", "c1") == writing.result()


async def test_status_is_not_taken_at_creation(api):
    made = await api.create(replace(deployment(), status=DeploymentStatus(replicas=7)))
    assert made.status is None


async def test_a_generated_name_has_five_harmless_letters(api):
    made = await api.create(
        ConfigMap(metadata=ObjectMeta(generate_name="web-", namespace="default"))
    )
    prefix, suffix = made.metadata.name[:4], made.metadata.name[4:]
    assert prefix == "web-"
    assert len(suffix) == 5
    assert set(suffix) <= set("bcdfghjklmnpqrstvwxz2456789")


@pytest.mark.parametrize(
    ("obj", "error", "text"),
    [
        pytest.param(
            ConfigMap(metadata=ObjectMeta(name="c", namespace="nope")),
            NotFound,
            'namespaces "nope" not found',
            id="into no namespace",
        ),
        pytest.param(
            ConfigMap(metadata=ObjectMeta(name="c")),
            BadRequest,
            "an empty namespace may not be set during creation",
            id="without a namespace",
        ),
        pytest.param(
            ConfigMap(metadata=ObjectMeta(namespace="default")),
            Invalid,
            'ConfigMap "" is invalid: metadata.name: Required value: '
            "name or generateName is required",
            id="without a name",
        ),
        pytest.param(
            ConfigMap(metadata=ObjectMeta(name="c", namespace="default", resource_version="7")),
            BadRequest,
            "resourceVersion should not be set on objects to be created",
            id="with a version",
        ),
    ],
)
async def test_what_cannot_be_created(api, obj, error, text):
    with pytest.raises(error) as caught:
        await api.create(obj)
    assert caught.value.message == text


async def test_a_name_is_taken_from_the_moment_it_is_submitted(api):
    results = await asyncio.gather(
        api.create(config(a="1")), api.create(config(a="2")), return_exceptions=True
    )
    assert isinstance(results[0], ConfigMap)
    assert isinstance(results[1], AlreadyExists)
    assert results[1].message == 'configmaps "c1" already exists'


async def test_generation_counts_changes_of_the_spec_only(api):
    made = await api.create(deployment(replicas=1))
    labelled = await api.update(replace(made, metadata=touched(made.metadata, labels={"a": "b"})))
    scaled = await api.update(replace(labelled, spec=DeploymentSpec(replicas=2)))
    told = await api.update_status(replace(scaled, status=DeploymentStatus(replicas=2)))
    annotated = await api.update(
        replace(told, metadata=touched(told.metadata, annotations={"a": "b"}))
    )
    seen = [o.metadata.generation for o in (made, labelled, scaled, told, annotated)]
    assert seen == [1, 1, 2, 2, 3]


async def test_an_update_leaves_the_status_and_a_status_update_leaves_the_rest(api):
    made = await api.create(deployment(replicas=1))
    told = await api.update_status(
        replace(made, spec=DeploymentSpec(replicas=9), status=DeploymentStatus(replicas=1))
    )
    kept = await api.update(
        replace(told, spec=DeploymentSpec(replicas=2), status=DeploymentStatus(replicas=5))
    )
    assert (told.spec.replicas, told.status.replicas) == (1, 1)
    assert (kept.spec.replicas, kept.status.replicas) == (2, 1)


async def test_writing_what_is_there_changes_nothing(api):
    made = await api.create(config(a="1"))
    seen: list[Change] = []
    api.subscribe([ConfigMap], seen.append)
    again = await api.update(made)
    assert again is made
    assert seen == []


async def test_a_stale_write_conflicts_and_one_without_a_version_does_not(api):
    made = await api.create(config(a="1"))
    await api.update(replace(made, data={"a": "2"}))
    with pytest.raises(Conflict) as caught:
        await api.update(replace(made, data={"a": "3"}))
    assert caught.value.message == (
        'Operation cannot be fulfilled on configmaps "c1": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await api.update(config(a="4"))).data == {"a": "4"}


async def test_subscribers_hear_every_commit_in_order(api):
    seen: list[Change] = []
    stop = api.subscribe([ConfigMap], seen.append)
    made = await api.create(config(a="1"))
    changed = await api.update(replace(made, data={"a": "2"}))
    await api.delete(ConfigMap, "default", "c1")
    stop()
    await api.create(config(a="3"))
    assert [c.type for c in seen] == [ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED]
    assert (seen[0].old, seen[1].old, seen[2].old) == (None, made, changed)
    versions = [int(c.object.metadata.resource_version) for c in seen]
    assert versions == sorted(set(versions))


async def test_finalizers_hold_a_deleted_object_until_the_last_is_removed(api):
    made = await api.create(
        replace(config(), metadata=touched(config().metadata, finalizers=("a/x", "a/y")))
    )
    await api.delete(ConfigMap, "default", "c1")
    waiting = api.get(ConfigMap, "default", "c1")
    assert waiting.metadata.deletion_timestamp == "2023-11-14T22:13:20Z"
    one = await api.update(
        replace(waiting, metadata=touched(waiting.metadata, finalizers=("a/y",)))
    )
    assert api.get(ConfigMap, "default", "c1") is one
    await api.update(replace(one, metadata=touched(one.metadata, finalizers=())))
    assert api.get(ConfigMap, "default", "c1") is None
    assert made.metadata.uid == one.metadata.uid


async def test_a_deleted_object_takes_no_new_finalizer(api):
    await api.create(replace(config(), metadata=touched(config().metadata, finalizers=("a/x",))))
    await api.delete(ConfigMap, "default", "c1")
    waiting = api.get(ConfigMap, "default", "c1")
    with pytest.raises(Invalid, match="no new finalizers can be added"):
        await api.update(
            replace(waiting, metadata=touched(waiting.metadata, finalizers=("a/x", "a/z")))
        )


@pytest.mark.parametrize(
    ("made", "asked_s", "until"),
    [
        pytest.param(pod(), None, "2023-11-14T22:13:50Z", id="30 s by default"),
        pytest.param(pod(grace_s=5), None, "2023-11-14T22:13:25Z", id="its own grace"),
        pytest.param(pod(grace_s=5), 60, "2023-11-14T22:14:20Z", id="the grace asked for"),
        pytest.param(pod(), 0, None, id="at once when asked"),
        pytest.param(pod(node=None), None, None, id="at once without a node"),
        pytest.param(pod(phase="Failed"), None, None, id="at once when it has ended"),
    ],
)
async def test_a_pod_gets_its_grace(api, made, asked_s, until):
    await api.create(made)
    await api.update_status(made)
    await api.delete(Pod, "default", "p", grace_s=asked_s)
    left = api.get(Pod, "default", "p")
    assert (left.metadata.deletion_timestamp if left else None) == until


async def test_a_second_delete_may_only_shorten_the_grace(api):
    await api.create(pod(grace_s=30))
    await api.delete(Pod, "default", "p")
    await api.delete(Pod, "default", "p", grace_s=100)
    assert api.get(Pod, "default", "p").metadata.deletion_grace_period_seconds == 30
    await api.delete(Pod, "default", "p", grace_s=3)
    meta = api.get(Pod, "default", "p").metadata
    assert (meta.deletion_grace_period_seconds, meta.deletion_timestamp) == (
        3,
        "2023-11-14T22:13:23Z",
    )
    await api.delete(Pod, "default", "p", grace_s=0)
    assert api.get(Pod, "default", "p") is None


async def test_deleting_what_is_gone_or_another_does_nothing(api):
    await api.delete(ConfigMap, "default", "nope")
    await api.create(config())
    await api.delete(ConfigMap, "default", "c1", uid="someone else's")
    assert api.get(ConfigMap, "default", "c1") is not None


async def test_a_namespace_being_deleted_takes_nothing_new(api):
    await api.create(Namespace(metadata=ObjectMeta(name="team")))
    await api.delete(Namespace, "", "team")
    left = api.get(Namespace, "", "team")
    assert left.status.phase == "Terminating"
    with pytest.raises(Forbidden, match="because it is being terminated"):
        await api.create(ConfigMap(metadata=ObjectMeta(name="c", namespace="team")))


async def test_the_default_namespace_may_not_be_deleted(api):
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        await api.delete(Namespace, "", "default")


async def test_lists_are_in_name_order_and_can_be_narrowed(api):
    for name, labels in (("b", {"app": "x"}), ("a", {"app": "x"}), ("c", {"app": "y"})):
        await api.create(
            ConfigMap(metadata=ObjectMeta(name=name, namespace="default", labels=labels))
        )
    await api.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="kube-system")))
    assert [o.metadata.name for o in api.list(ConfigMap, "default")] == ["a", "b", "c"]
    assert [o.metadata.name for o in api.list(ConfigMap, labels={"app": "x"})] == ["a", "b"]
    assert len(api.list(ConfigMap)) == 4
