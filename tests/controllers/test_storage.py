"""Claims find their volumes, and volumes are taken back when their claims go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.controllers.storage import VolumeBinder, VolumeFolders, ensure_folder_class
from tidegate.controllers.storage.binder import ALL
from tidegate.model.containers import Container
from tidegate.model.core import Event
from tidegate.model.meta import LabelSelector, ObjectMeta, ObjectReference
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.storage import (
    HostPathSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    StorageClass,
    VolumeResources,
)
from tidegate.model.volumes import PersistentVolumeClaimVolumeSource, Volume
from tidegate.testing.api import make_guarded_api
from tidegate.testing.clocks import LoopClock


class Storage:
    """The binder over the true API, with folders below `root`."""

    def __init__(self, api: LocalApi, root: Path) -> None:
        self.api, self.root = api, root
        self.binder = VolumeBinder(api, LoopClock(), VolumeFolders(root))

    async def given(self, *objects: Any) -> None:
        for obj in objects:
            await self.api.create(obj)
        await self.settle()

    async def settle(self) -> None:
        """As its watches would: again after its own writes."""
        for _ in range(3):
            await self.binder.reconcile(ALL)

    def claim(self, name: str = "data") -> PersistentVolumeClaim:
        found = self.api.get(PersistentVolumeClaim, "default", name)
        assert found is not None
        return found

    def volume(self, name: str) -> PersistentVolume | None:
        return self.api.get(PersistentVolume, "", name)

    def said(self) -> list[tuple[str, str]]:
        return [(e.reason or "", e.message or "") for e in self.api.list(Event)]


@pytest.fixture
async def storage(tmp_path: Path) -> Storage:
    api = make_guarded_api(LoopClock())
    await ensure_namespaces(api)
    return Storage(api, tmp_path / "volumes")


def pv(name: str, size: str = "5Gi", *, labels: dict[str, str] | None = None, **spec: Any) -> Any:
    given: dict[str, Any] = {
        "capacity": {"storage": size},
        "access_modes": ("ReadWriteMany",),
        "host_path": HostPathSource(path=f"/srv/{name}"),
        **spec,
    }
    meta = ObjectMeta(name=name, labels=labels or {})
    return PersistentVolume(metadata=meta, spec=PersistentVolumeSpec(**given))


def pvc(name: str = "data", size: str = "5Gi", **spec: Any) -> PersistentVolumeClaim:
    given: dict[str, Any] = {
        "access_modes": ("ReadWriteMany",),
        "resources": VolumeResources(requests={"storage": size}),
        **spec,
    }
    meta = ObjectMeta(name=name, namespace="default")
    return PersistentVolumeClaim(metadata=meta, spec=PersistentVolumeClaimSpec(**given))


def user_of(claim: str) -> Pod:
    source = PersistentVolumeClaimVolumeSource(claim_name=claim)
    return Pod(
        metadata=ObjectMeta(name=f"uses-{claim}", namespace="default"),
        spec=PodSpec(
            containers=(Container(name="c", image="python:3"),),
            volumes=(Volume(name="v", persistent_volume_claim=source),),
        ),
    )


def phase(obj: PersistentVolume | PersistentVolumeClaim | None) -> str | None:
    return obj.status.phase if obj is not None and obj.status is not None else None


async def test_a_claim_gets_the_smallest_volume_that_holds_it(storage):
    await storage.given(pv("small", "1Gi"), pv("large", "50Gi"), pv("fits", "6Gi"))
    await storage.given(pvc())
    claim = storage.claim()
    assert (claim.spec.volume_name, phase(claim)) == ("fits", "Bound")
    assert claim.status.capacity == {"storage": "6Gi"}
    assert claim.status.access_modes == ("ReadWriteMany",)
    ref = storage.volume("fits").spec.claim_ref
    assert (ref.namespace, ref.name, ref.uid) == ("default", "data", claim.metadata.uid)
    assert [phase(storage.volume(n)) for n in ("small", "large", "fits")] == [
        "Available",
        "Available",
        "Bound",
    ]


async def test_two_claims_never_get_one_volume(storage):
    await storage.given(pv("a"), pv("b"))
    await storage.given(pvc("one"), pvc("two"))
    assert {storage.claim(n).spec.volume_name for n in ("one", "two")} == {"a", "b"}


async def test_a_selector_chooses_by_labels(storage):
    await storage.given(pv("a"), pv("b", labels={"tier": "fast"}))
    await storage.given(pvc(selector=LabelSelector(match_labels={"tier": "fast"})))
    assert storage.claim().spec.volume_name == "b"


async def test_a_volume_kept_for_a_claim_is_nobody_elses(storage):
    kept = ObjectReference(namespace="default", name="data")
    await storage.given(pv("kept", claim_ref=kept))
    await storage.given(pvc("other", storage_class_name=""))
    assert phase(storage.claim("other")) == "Pending"
    await storage.given(pvc("data"))
    assert storage.claim("data").spec.volume_name == "kept"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        pytest.param({"size": "9Gi"}, "requested PV is too small", id="size"),
        pytest.param({"storage_class_name": "fast"}, "storageClassName does not match", id="class"),
        pytest.param({"access_modes": ("ReadWriteOncePod",)}, "incompatible accessMode", id="mode"),
    ],
)
async def test_a_named_volume_that_does_not_suit_says_what_is_wrong(storage, asked, why):
    await storage.given(pv("v"))
    await storage.given(pvc(volume_name="v", **asked))
    assert phase(storage.claim()) == "Pending"
    assert storage.said() == [("VolumeMismatch", f'Cannot bind to requested volume "v": {why}')]


async def test_a_claim_of_no_class_waits_and_says_so_once(storage):
    await storage.given(pvc(storage_class_name=""))
    await storage.settle()
    assert phase(storage.claim()) == "Pending"
    assert storage.said() == [
        (
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
        )
    ]
    await storage.given(pv("late"))
    assert storage.claim().spec.volume_name == "late"


async def test_without_a_volume_the_default_class_makes_a_folder(storage):
    await ensure_folder_class(storage.api)
    await storage.given(pvc())
    claim = storage.claim()
    assert (claim.spec.storage_class_name, phase(claim)) == ("tidegate", "Bound")
    made = storage.volume(claim.spec.volume_name)
    assert Path(made.spec.host_path.path).is_dir()
    assert made.spec.capacity == {"storage": "5Gi"}


async def test_a_folder_goes_with_its_claim_once_no_pod_uses_it(storage):
    await ensure_folder_class(storage.api)
    await storage.given(pvc())
    await storage.given(user_of("data"))
    name = storage.claim().spec.volume_name
    folder = Path(storage.volume(name).spec.host_path.path)
    await storage.api.delete(PersistentVolumeClaim, "default", "data")
    await storage.settle()
    assert storage.claim().metadata.deletion_timestamp  # held by its pod
    assert folder.is_dir()
    await storage.api.delete(Pod, "default", "uses-data", grace_s=0)
    await storage.settle()
    assert storage.api.get(PersistentVolumeClaim, "default", "data") is None
    assert storage.volume(name) is None
    assert not folder.exists()


async def test_a_retained_volume_is_released_and_not_given_away(storage):
    await storage.given(pv("v"))
    await storage.given(pvc())
    await storage.api.delete(PersistentVolumeClaim, "default", "data")
    await storage.settle()
    assert phase(storage.volume("v")) == "Released"
    await storage.given(pvc("next", storage_class_name=""))
    assert phase(storage.claim("next")) == "Pending"


async def test_what_was_not_made_here_is_not_deleted_here(storage, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    source = HostPathSource(path=str(mine))
    await storage.given(pv("v", host_path=source, persistent_volume_reclaim_policy="Delete"))
    await storage.given(pvc())
    await storage.api.delete(PersistentVolumeClaim, "default", "data")
    await storage.settle()
    assert phase(storage.volume("v")) == "Failed"
    assert mine.is_dir()
    assert "delete what it holds yourself" in storage.volume("v").status.message


async def test_a_claim_whose_volume_is_gone_is_lost(storage):
    await storage.given(pv("v"))
    await storage.given(pvc())
    volume = storage.volume("v")
    bare = msgspec.structs.replace(volume.metadata, finalizers=())
    await storage.api.update(msgspec.structs.replace(volume, metadata=bare))
    await storage.api.delete(PersistentVolume, "", "v")
    await storage.settle()
    assert phase(storage.claim()) == "Lost"
    assert storage.said()[-1][0] == "ClaimLost"


async def test_a_class_that_waits_for_its_first_consumer_does(storage):
    slow = StorageClass(
        metadata=ObjectMeta(name="late"),
        provisioner="kubernetes.io/no-provisioner",
        volume_binding_mode="WaitForFirstConsumer",
    )
    await storage.given(slow, pv("v", storage_class_name="late"))
    await storage.given(pvc(storage_class_name="late"))
    assert phase(storage.claim()) == "Pending"
    assert storage.said()[-1][0] == "WaitForFirstConsumer"
    await storage.given(user_of("data"))
    assert storage.claim().spec.volume_name == "v"


async def test_an_unknown_class_and_an_unknown_provisioner_say_what_is_missing(storage):
    class_ = StorageClass(metadata=ObjectMeta(name="disk"), provisioner="disk.example.com")
    await storage.given(class_, pvc("one", storage_class_name="disk"))
    await storage.given(pvc("two", storage_class_name="gold"))
    reasons = dict(storage.said())
    assert "nothing makes volumes but 'tidegate.dev/folder'" in reasons["ExternalProvisioning"]
    assert reasons["ProvisioningFailed"] == 'storageclass.storage.k8s.io "gold" not found'


def test_folders_are_removed_below_their_root_only(tmp_path):
    folders = VolumeFolders(tmp_path / "volumes")
    with pytest.raises(PermissionError):
        folders.remove(str(tmp_path))
    assert not folders.owns(str(tmp_path / "volumes" / ".." / "other"))


async def asks_for(storage: Storage, size: str) -> None:
    claim = storage.claim()
    resources = VolumeResources(requests={"storage": size})
    spec = msgspec.structs.replace(claim.spec, resources=resources)
    await storage.api.update(msgspec.structs.replace(claim, spec=spec))
    await storage.settle()


async def test_a_claim_of_a_folder_may_grow(storage):
    await ensure_folder_class(storage.api)
    await storage.given(pvc())
    await asks_for(storage, "8Gi")
    claim = storage.claim()
    assert claim.status.capacity == {"storage": "8Gi"}
    assert storage.volume(claim.spec.volume_name).spec.capacity == {"storage": "8Gi"}


async def test_what_was_not_made_here_does_not_grow_and_says_so(storage):
    await storage.given(pv("v"))
    await storage.given(pvc())
    await asks_for(storage, "8Gi")
    assert storage.claim().status.capacity == {"storage": "5Gi"}
    assert storage.said()[-1][0] == "VolumeResizeFailed"
