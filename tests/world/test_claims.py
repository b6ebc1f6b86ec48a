"""Pods and the volumes they claim, in a whole control plane on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tidegate.model.accounts import ServiceAccount
from tidegate.model.conditions import find
from tidegate.model.containers import Container, VolumeMount
from tidegate.model.core import Namespace
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.storage import (
    HostPathSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    VolumeResources,
)
from tidegate.model.volumes import PersistentVolumeClaimVolumeSource, Volume
from tidegate.testing.world import World
from tidegate.testing.world import world as make_world

pytestmark = pytest.mark.looptime


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world() as it:
        yield it


def reader() -> Pod:
    source = PersistentVolumeClaimVolumeSource(claim_name="weights")
    container = Container(
        name="c", image="python:3", volume_mounts=(VolumeMount(name="v", mount_path="/w"),)
    )
    return Pod(
        metadata=ObjectMeta(name="reader", namespace="default"),
        spec=PodSpec(
            containers=(container,), volumes=(Volume(name="v", persistent_volume_claim=source),)
        ),
    )


def claim() -> PersistentVolumeClaim:
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name="weights", namespace="default"),
        spec=PersistentVolumeClaimSpec(
            access_modes=("ReadWriteOnce",),
            resources=VolumeResources(requests={"storage": "1Gi"}),
        ),
    )


def volume() -> PersistentVolume:
    return PersistentVolume(
        metadata=ObjectMeta(name="pv"),
        spec=PersistentVolumeSpec(
            capacity={"storage": "1Gi"},
            access_modes=("ReadWriteOnce",),
            host_path=HostPathSource(path="/srv"),
        ),
    )


def why_it_waits(world: World) -> str | None:
    status = world.the(Pod, "reader").status
    assert status is not None
    known = find(status.conditions, "PodScheduled")
    return known.message if known is not None else None


async def test_a_pod_waits_for_its_claim_and_the_claim_for_its_volume(world):
    await world.given(reader())
    assert 'persistentvolumeclaim "weights" not found' in (why_it_waits(world) or "")
    await world.given(claim())
    assert "unbound immediate PersistentVolumeClaims" in (why_it_waits(world) or "")
    await world.given(volume())
    pod = world.the(Pod, "reader")
    assert pod.spec.node_name
    assert pod.status is not None
    assert pod.status.phase == "Running"


async def test_a_claim_in_use_goes_after_its_pod(world):
    await world.given(volume(), claim(), reader())
    await world.api.delete(PersistentVolumeClaim, "default", "weights")
    await world.settle()
    assert world.the(PersistentVolumeClaim, "weights").metadata.deletion_timestamp
    await world.api.delete(Pod, "default", "reader", grace_s=0)
    await world.settle()
    assert world.api.get(PersistentVolumeClaim, "default", "weights") is None


async def test_a_restarted_control_plane_leaves_bound_claims_alone(world):
    await world.given(volume(), claim())
    before = world.the(PersistentVolumeClaim, "weights")
    await world.kill_plane()
    await world.start_plane()
    await world.settle()
    assert world.the(PersistentVolumeClaim, "weights") == before


async def test_every_namespace_has_a_default_service_account(world):
    await world.given(Namespace(metadata=ObjectMeta(name="team")))
    assert world.api.get(ServiceAccount, "team", "default") is not None
    await world.api.delete(ServiceAccount, "team", "default")
    await world.settle()
    assert world.api.get(ServiceAccount, "team", "default") is not None
    await world.api.delete(Namespace, "", "team")
    await world.settle()
    assert world.api.get(Namespace, "", "team") is None
