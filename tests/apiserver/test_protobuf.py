"""Protobuf as kubectl writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.apiserver.protobuf import decode_protobuf
from tidegate.model.errors import ApiError, BadRequest, UnsupportedMedia


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, value: bytes | str | int | bool) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def document(api_version: str, kind: str, *fields: bytes) -> bytes:
    head = field(1, field(1, api_version) + field(2, kind))
    return b"k8s\x00" + head + field(2, b"".join(fields)) + field(3, "") + field(4, "")


def named(name: str) -> bytes:
    """Metadata as gogo writes it: what is empty is written too."""
    empty = b"".join(field(n, "") for n in (2, 3, 4, 5, 6))
    return field(1, field(1, name) + empty + field(7, 0) + field(8, b""))


def entry(key: str, value: str | bytes) -> bytes:
    return field(1, key) + field(2, value)


def test_a_config_map():
    body = document(
        "v1", "ConfigMap", named("c"), field(2, entry("a", "1")), field(2, entry("b", ""))
    )
    assert decode_protobuf(body) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"a": "1", "b": ""},
    }


def test_the_bytes_of_a_secret_become_base64():
    body = document(
        "v1", "Secret", named("s"), field(2, entry("p", b"\xff\x00")), field(3, "Opaque")
    )
    decoded = decode_protobuf(body)
    assert (decoded["data"], decoded["type"]) == ({"p": "/wA="}, "Opaque")


def test_a_deployment_with_no_replicas_has_none():
    container = field(1, "main") + field(2, "x:1") + field(16, False) + field(17, False)
    template = field(2, field(2, container))
    spec = field(1, 0) + field(3, template) + field(4, field(1, "")) + field(5, 0) + field(7, False)
    decoded = decode_protobuf(document("apps/v1", "Deployment", named("d"), field(2, spec)))
    assert decoded["spec"] == {
        "replicas": 0,
        "strategy": {},
        "template": {"spec": {"containers": [{"name": "main", "image": "x:1"}]}},
    }


@pytest.mark.parametrize(
    ("port", "target"),
    [(field(1, 0) + field(2, 8080) + field(3, ""), 8080), (field(1, 1) + field(3, "web"), "web")],
)
def test_a_target_port_is_a_number_or_a_name(port, target):
    spec = field(1, field(1, "p") + field(3, 80) + field(4, port))
    decoded = decode_protobuf(document("v1", "Service", named("s"), field(2, spec)))
    assert decoded["spec"]["ports"] == [{"name": "p", "port": 80, "targetPort": target}]


def test_a_field_that_is_not_known_is_refused_when_it_says_something():
    container = field(1, "main") + field(2, "x:1") + field(16, True)
    spec = field(3, field(2, field(2, container)))
    with pytest.raises(UnsupportedMedia, match="field 16 of Container is not read from protobuf"):
        decode_protobuf(document("apps/v1", "Deployment", named("d"), field(2, spec)))


def test_other_kinds_are_refused_with_the_way_out():
    with pytest.raises(UnsupportedMedia, match="a Role is not read from protobuf: write it as a"):
        decode_protobuf(document("rbac.authorization.k8s.io/v1", "Role", named("r")))


def test_a_job_made_from_a_cron_job_keeps_its_owner_and_its_whole_pod():
    owner = field(1, "CronJob") + field(3, "tick") + field(4, "u1") + field(6, True)
    meta = field(1, "now") + field(13, owner)
    source = field(3, field(1, field(1, "settings")) + field(2, "mode"))
    env = field(7, field(1, "MODE") + field(3, source))
    mount = field(9, field(1, "data") + field(2, False) + field(3, "/data"))
    container = field(1, "main") + field(2, "x:1") + env + mount
    volume = field(1, field(1, "data") + field(2, field(2, field(1, ""))))
    pod = volume + field(2, container) + field(3, "Never") + field(14, b"") + field(30, True)
    rule = field(1, "Ignore") + field(2, field(2, "In") + field(3, 3) + field(3, 4))
    spec = field(2, 0) + field(6, field(2, pod)) + field(10, False) + field(11, field(1, rule))
    decoded = decode_protobuf(document("batch/v1", "Job", field(1, meta), field(2, spec)))
    refs = [{"kind": "CronJob", "name": "tick", "uid": "u1", "controller": True}]
    assert decoded["metadata"] == {"name": "now", "ownerReferences": refs}
    assert decoded["spec"]["completions"] == 0
    assert decoded["spec"]["suspend"] is False
    assert decoded["spec"]["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3, 4]}}
    ]
    assert decoded["spec"]["template"]["spec"] == {
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "main",
                "image": "x:1",
                "env": [
                    {
                        "name": "MODE",
                        "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}},
                    }
                ],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "restartPolicy": "Never",
        "enableServiceLinks": True,
    }


def test_json_under_the_wrong_name_is_no_protobuf():
    with pytest.raises(BadRequest, match="does not begin with k8s"):
        decode_protobuf(b"{}")


FIELDS = st.recursive(
    st.tuples(st.integers(1, 9), st.integers(0, 2**64 - 1) | st.binary(max_size=9)).map(
        lambda pair: field(*pair)
    ),
    lambda inner: st.tuples(st.integers(1, 9), st.lists(inner, max_size=4).map(b"".join)).map(
        lambda pair: field(*pair)
    ),
    max_leaves=12,
)


@given(st.sampled_from(["ConfigMap", "Deployment", "Service"]), st.lists(FIELDS), st.binary())
def test_no_bytes_at_all_do_more_than_be_refused(kind, fields, noise):
    whole = document("v1", kind, *fields)
    for body in (whole, b"k8s\x00" + noise, whole[: len(noise)] + noise, whole + noise):
        try:
            decode_protobuf(body)
        except ApiError:
            pass


def test_an_ingress_has_its_rules_as_json_does():
    port = field(2, field(1, "") + field(2, 80))
    backend = field(4, field(1, "web") + port)
    path = field(1, field(1, "/a") + field(2, backend) + field(3, "Prefix"))
    rule = field(3, field(1, "host") + field(2, field(1, path)))
    body = document("networking.k8s.io/v1", "Ingress", named("i"), field(2, rule))
    assert decode_protobuf(body)["spec"] == {
        "rules": [
            {
                "host": "host",
                "http": {
                    "paths": [
                        {
                            "path": "/a",
                            "backend": {"service": {"name": "web", "port": {"number": 80}}},
                            "pathType": "Prefix",
                        }
                    ]
                },
            }
        ]
    }


def test_a_horizontal_pod_autoscaler_is_read_in_both_its_versions():
    target = field(1, field(1, "Deployment") + field(2, "web") + field(3, "apps/v1"))
    old = field(2, target + field(2, 1) + field(3, 5) + field(4, 80))
    read = decode_protobuf(document("autoscaling/v1", "HorizontalPodAutoscaler", old))
    assert read["spec"]["targetCPUUtilizationPercentage"] == 80
    wanted = field(2, field(1, "Utilization") + field(4, 80))
    metric = field(4, field(1, "Resource") + field(4, field(1, "cpu") + wanted))
    new = field(2, target + field(3, 5) + metric)
    read = decode_protobuf(document("autoscaling/v2", "HorizontalPodAutoscaler", new))
    assert read["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80},
            },
        }
    ]


def test_the_options_of_a_delete_are_read_with_a_grace_of_zero():
    body = document("v1", "DeleteOptions", field(1, 0), field(4, "Foreground"))
    read = decode_protobuf(body)
    assert (read["gracePeriodSeconds"], read["propagationPolicy"]) == (0, "Foreground")
