"""Volumes, claims and the downward API: refusals in Kubernetes' words."""

from __future__ import annotations

import pytest


def pod(volume=None, mount=None, env=None, init=None, **fields):
    container = {"name": "app", "image": "app:1", **fields}
    if volume is not None:
        container["volumeMounts"] = [{"name": "v", "mountPath": "/v", **(mount or {})}]
    if env is not None:
        container["env"] = [{"name": "X", "valueFrom": env}]
    spec = {"containers": [container]}
    if volume is not None:
        spec["volumes"] = [{"name": "v", **volume}]
    if init is not None:
        spec["initContainers"] = [{"name": "init", "image": "app:1", **init}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": spec,
    }


def downward(**item):
    return {"downwardAPI": {"items": [{"path": "x", **item}]}}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param(
            pod(downward(fieldRef={"fieldPath": "metadata.magic"})),
            "spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath",
            id="unknown field",
        ),
        pytest.param(
            pod(downward(fieldRef={"fieldPath": "spec.nodeName"})),
            "spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath",
            id="a field that volumes don't have",
        ),
        pytest.param(
            pod(downward(resourceFieldRef={"resource": "limits.cpu"})),
            "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName",
            id="whose limit",
        ),
        pytest.param(
            pod(
                {
                    "downwardAPI": {
                        "items": [{"path": "../x", "fieldRef": {"fieldPath": "metadata.name"}}]
                    }
                }
            ),
            "spec.volumes[0].downwardAPI.items[0].path",
            id="out of the volume",
        ),
        pytest.param(
            pod(downward()), "spec.volumes[0].downwardAPI.items[0].fieldRef", id="neither"
        ),
        pytest.param(
            pod({"projected": {"sources": [{}]}}),
            "spec.volumes[0].projected.sources[0]",
            id="an empty source",
        ),
        pytest.param(
            pod(
                {"projected": {"sources": [{"configMap": {"name": "a"}, "secret": {"name": "b"}}]}}
            ),
            "spec.volumes[0].projected.sources[0].configMap",
            id="two in one source",
        ),
        pytest.param(
            pod({"emptyDir": {}}, mount={"subPath": "a", "subPathExpr": "b"}),
            "spec.containers[0].volumeMounts[0].subPathExpr",
            id="two sub-paths",
        ),
        pytest.param(
            pod(env={"fieldRef": {"fieldPath": "metadata.labels"}}),
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath",
            id="all labels in a variable",
        ),
        pytest.param(
            pod(env={"resourceFieldRef": {"resource": "limits.gpu"}}),
            "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource",
            id="an unknown resource",
        ),
        pytest.param(
            pod(restartPolicy="Always"), "spec.containers[0].restartPolicy", id="no init container"
        ),
        pytest.param(
            pod(init={"restartPolicy": "OnFailure"}),
            "spec.initContainers[0].restartPolicy",
            id="neither sidecar nor plain",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_path(refusal, document, path):
    assert [problem.partition(": ")[0] for problem in refusal(document)] == [path]


def test_a_sidecar_may_have_probes_and_hooks(admit):
    probe = {"httpGet": {"port": 80}}
    made = admit(pod(init={"restartPolicy": "Always", "readinessProbe": probe}))
    assert made.spec.init_containers[0].readiness_probe.period_seconds == 10


def claim(**spec):
    given = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {**given, **spec},
    }


def volume(**spec):
    given = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv"},
        "spec": {**given, **spec},
    }


HERE = {"hostPath": {"path": "/srv"}}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param(claim(accessModes=[]), "spec.accessModes", id="no access mode"),
        pytest.param(claim(accessModes=["Now"]), "spec.accessModes", id="unknown access mode"),
        pytest.param(claim(resources={}), "spec.resources[storage]", id="no size"),
        pytest.param(claim(volumeMode="Tape"), "spec.volumeMode", id="unknown mode"),
        pytest.param(volume(), "spec", id="no source"),
        pytest.param(
            volume(**HERE, nfs={"server": "x", "path": "/"}), "spec.nfs", id="two sources"
        ),
        pytest.param(volume(nfs={"path": "/m"}), "spec.nfs.server", id="nfs of nobody"),
        pytest.param(volume(nfs={"server": "a", "path": "m"}), "spec.nfs.path", id="nfs path"),
        pytest.param(volume(local={"path": "/srv"}), "spec.nodeAffinity", id="local anywhere"),
        pytest.param(
            volume(hostPath={"path": "/srv/../etc"}), "spec.hostPath.path", id="path tricks"
        ),
        pytest.param(
            volume(**HERE, persistentVolumeReclaimPolicy="Burn"),
            "spec.persistentVolumeReclaimPolicy",
            id="unknown policy",
        ),
        pytest.param(volume(**HERE, capacity={}), "spec.capacity", id="no capacity"),
        pytest.param(volume(csi={"driver": "d"}), "spec.csi.volumeHandle", id="csi without handle"),
    ],
)
def test_claims_and_volumes_that_make_no_sense_are_refused(refusal, document, path):
    assert [problem.partition(": ")[0] for problem in refusal(document)] == [path]


def test_new_volumes_and_claims_are_protected_while_in_use(admit):
    assert admit(claim()).metadata.finalizers == ("kubernetes.io/pvc-protection",)
    made = admit(volume(**HERE))
    assert made.metadata.finalizers == ("kubernetes.io/pv-protection",)
    assert made.spec.persistent_volume_reclaim_policy == "Retain"


def test_a_claims_spec_is_fixed_but_for_the_volume_it_gets(admit, refusal):
    old = admit(claim())
    admit(admit(claim(volumeName="pv")), old)
    said = refusal(admit(claim(accessModes=["ReadWriteMany"])), old)
    assert "spec is immutable after creation" in str(said)
