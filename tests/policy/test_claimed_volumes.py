"""What keeps a pod from its claims, and nodes from volumes."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.containers import Container
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.storage import (
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from tidegate.model.volumes import PersistentVolumeClaimVolumeSource, Volume
from tidegate.policy.claimed_volumes import claims_of, may_mount, waits_for


def pod(*claims: str) -> Pod:
    volumes = tuple(
        Volume(
            name=f"v{i}", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=c)
        )
        for i, c in enumerate(claims)
    )
    return Pod(spec=PodSpec(containers=(Container(name="c"),), volumes=volumes))


def claim(phase: str = "Bound", modes: tuple[str, ...] = (), **meta: Any) -> PersistentVolumeClaim:
    return PersistentVolumeClaim(
        metadata=ObjectMeta(name="data", **meta),
        spec=PersistentVolumeClaimSpec(volume_name="pv", access_modes=modes),
        status=PersistentVolumeClaimStatus(phase=phase),
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(None, 'persistentvolumeclaim "data" not found', id="none"),
        pytest.param(
            claim("Pending"), "pod has unbound immediate PersistentVolumeClaims", id="unbound"
        ),
        pytest.param(
            claim("Lost"),
            'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv"',
            id="lost",
        ),
        pytest.param(
            claim(deletion_timestamp="2026-01-01T00:00:00Z"),
            'persistentvolumeclaim "data" is being deleted',
            id="going",
        ),
        pytest.param(claim(), None, id="bound"),
    ],
)
def test_a_pod_waits_for_its_claim_in_the_schedulers_words(found, why):
    assert waits_for(pod("data"), lambda _: found) == why


def test_a_claim_for_one_pod_has_one_pod():
    alone = claim(modes=("ReadWriteOncePod",))
    assert waits_for(pod("data"), lambda _: alone) is None
    assert "ReadWriteOncePod" in (
        waits_for(pod("data"), lambda _: alone, others=[pod("data")]) or ""
    )


def test_a_claim_mounted_twice_counts_once():
    assert claims_of(pod("a", "b", "a")) == ("a", "b")


def bound_to(operator: str, *values: str, key: str = "zone") -> PersistentVolume:
    term = NodeSelectorRequirement(key=key, operator=operator, values=values)
    terms = (NodeSelectorTerm(match_expressions=(term,)),)
    affinity = VolumeNodeAffinity(required=NodeSelector(node_selector_terms=terms))
    return PersistentVolume(spec=PersistentVolumeSpec(node_affinity=affinity))


@pytest.mark.parametrize(
    ("volume", "may"),
    [
        pytest.param(PersistentVolume(), True, id="no affinity"),
        pytest.param(bound_to("In", "a", "b"), True, id="in"),
        pytest.param(bound_to("In", "c"), False, id="not in"),
        pytest.param(bound_to("NotIn", "a"), False, id="excluded"),
        pytest.param(bound_to("Exists"), True, id="exists"),
        pytest.param(bound_to("DoesNotExist", key="gpu"), True, id="absent"),
        pytest.param(bound_to("Gt", "3", key="cores"), True, id="greater"),
        pytest.param(bound_to("Lt", "3", key="cores"), False, id="less"),
        pytest.param(bound_to("Gt", "many", key="cores"), False, id="no number"),
    ],
)
def test_a_volumes_node_affinity_is_kept(volume, may):
    assert may_mount(volume, "here", {"zone": "a", "cores": "8"}) is may
