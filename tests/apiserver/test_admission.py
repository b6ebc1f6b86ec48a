"""The chain: settings from config maps, and what they lead to."""

from __future__ import annotations

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.model.containers import Container
from tidegate.model.errors import BadRequest, Invalid
from tidegate.model.ingresses import (
    Ingress,
    IngressBackend,
    IngressServiceBackend,
    IngressSpec,
    ServiceBackendPort,
)
from tidegate.model.meta import ObjectMeta, touched
from tidegate.model.pods import Pod, PodSpec, PodStatus
from tidegate.testing.builders import config_map, service

DENIED = "denied the request: validation failed: "


def admission(**maps: dict[str, str]) -> Admission:
    """`config_defaults={...}` stands for the map `config-defaults`."""
    data = {name.replace("_", "-"): values for name, values in maps.items()}
    return Admission(lambda name: data.get(name, {}))


def refused(it: Admission, obj, old=None) -> str:
    with pytest.raises(BadRequest) as caught:
        it.admit(obj, old, user="ann")
    return caught.value.message


def test_an_ordinary_service_is_admitted_without_a_word():
    admitted = admission().admit(service("hello"), None, user="ann")
    assert admitted.warnings == ()
    assert admitted.object.metadata.annotations == {
        "serving.knative.dev/creator": "ann",
        "serving.knative.dev/lastModifier": "ann",
    }


def test_config_defaults_bounds_what_services_may_ask():
    strict = admission(config_defaults={"container-concurrency-max-limit": "10"})
    assert refused(strict, service("hello", concurrency=11)) == (
        f'admission webhook "validation.webhook.serving.knative.dev" {DENIED}'
        "expected 0 <= 11 <= 10: spec.template.spec.containerConcurrency"
    )


def test_config_defaults_fills_in_resources():
    it = admission(
        config_defaults={
            "revision-cpu-request": "250m",
            "revision-memory-limit": "1Gi",
            "revision-ephemeral-storage-limit": "5Gi",
        }
    )
    wanted = it.admit(service("hello"), None, user="ann").object.spec.template.spec
    assert wanted.containers[0].resources.requests == {"cpu": "250m"}
    assert wanted.containers[0].resources.limits == {"memory": "1Gi", "ephemeral-storage": "5Gi"}


def test_config_autoscaler_says_what_annotations_may_ask():
    none_at_first = service("hello", scaling={"initial-scale": "0"})
    assert refused(admission(), none_at_first) == (
        f'admission webhook "validation.webhook.serving.knative.dev" {DENIED}'
        "invalid value: 0: spec.template.metadata.annotations."
        "autoscaling.knative.dev/initial-scale=0 not allowed by cluster"
    )
    lenient = admission(config_autoscaler={"allow-zero-initial-scale": "true"})
    assert lenient.admit(none_at_first, None, user="ann").warnings == ()


def test_config_features_turns_things_off():
    two = service("hello")
    spec = two.spec.template.spec
    both = (spec.containers[0], type(spec.containers[0])(name="side", image="side:1"))
    two = _with_containers(two, both)
    assert admission().admit(two, None, user="ann").warnings == ()
    text = refused(admission(config_features={"multi-container": "Disabled"}), two)
    assert text.endswith(f"{DENIED}multi-container is off, but found 2 containers: ")


def test_settings_that_change_count_from_the_next_write_on():
    data: dict[str, dict[str, str]] = {}
    it = Admission(lambda name: data.get(name, {}))
    assert it.admit(service("a", concurrency=11), None, user="ann").warnings == ()
    data["config-defaults"] = {"container-concurrency-max-limit": "10"}
    assert "expected 0 <= 11 <= 10" in refused(it, service("b", concurrency=11))


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        pytest.param(
            "config-autoscaler",
            {"max-scale-down-rate": "1"},
            "max-scale-down-rate = 1, must be greater than 1.0",
            id="autoscaler",
        ),
        pytest.param(
            "config-defaults",
            {"revision-timeout-seconds": "601"},
            "revision-timeout-seconds (601) cannot be greater than "
            "max-revision-timeout-seconds (600)",
            id="defaults",
        ),
        pytest.param(
            "config-deployment",
            {"progress-deadline": "0s"},
            "progress-deadline cannot be a non-positive duration, was 0s",
            id="deployment",
        ),
    ],
)
def test_a_map_of_settings_that_cannot_be_used_is_refused(name, data, text):
    prefix = f'admission webhook "config.webhook.serving.knative.dev" {DENIED}'
    assert refused(admission(), config_map(name, data)) == prefix + text
    elsewhere = config_map(name, data, namespace="default")
    assert admission().admit(elsewhere, None, user="ann").object == elsewhere


def test_a_built_in_kind_is_refused_as_kubernetes_does():
    with pytest.raises(Invalid) as caught:
        admission().admit(Pod(metadata=ObjectMeta(name="web")), None, user="ann")
    assert caught.value.message == 'Pod "web" is invalid: spec.containers: Required value'


def test_a_status_is_written_whatever_the_spec_says():
    """Settings may have become stricter since the object was made."""
    stored = admission().admit(service("hello", concurrency=11), None, user="ann").object
    strict = admission(config_defaults={"container-concurrency-max-limit": "10"})
    assert strict.admit(stored, stored, user="system:controller", status=True).object == stored
    pod = Pod(metadata=ObjectMeta(name="web"), status=PodStatus(phase="Running"))
    assert admission().admit(pod, pod, user="system:node", status=True).object == pod


def test_warnings_come_once_and_not_with_every_write():
    flags = config_map("config-features", {"multi-container": "yes"})
    it = admission()
    first = it.admit(flags, None, user="ann")
    assert len(first.warnings) == 1
    labelled = _labelled(flags)
    assert it.admit(labelled, first.object, user="ann").warnings == ()


def _labelled(obj):
    return type(obj)(metadata=touched(obj.metadata, labels={"a": "b"}), data=obj.data)


def _with_containers(obj, containers):
    from msgspec.structs import replace

    template = obj.spec.template
    spec = replace(template.spec, containers=containers)
    return replace(obj, spec=replace(obj.spec, template=replace(template, spec=spec)))


def test_annotations_that_an_ingress_gets_later_are_looked_at_too():
    """`kubectl annotate` changes nothing but metadata, and there a canary says all that it says."""
    backend = IngressBackend(
        service=IngressServiceBackend(name="v1", port=ServiceBackendPort(number=80))
    )
    old = Ingress(
        metadata=ObjectMeta(name="shop", namespace="default"),
        spec=IngressSpec(default_backend=backend),
    )
    key = "nginx.ingress.kubernetes.io/canary-weight"
    said = Ingress(metadata=touched(old.metadata, annotations={key: "10"}), spec=old.spec)
    (told,) = admission().admit(said, old, user="ann").warnings
    assert told.startswith(f"metadata.annotations.[{key}]: has no effect without")
    assert admission().admit(said, said, user="ann").warnings == ()


def test_what_asks_for_elastic_instances_is_said_to_have_no_effect():
    said = {"alibabacloud.com/burst-resource": "eci_only", "k8s.aliyun.com/eci-use-specs": "2-4Gi"}
    pod = Pod(
        metadata=ObjectMeta(name="a", namespace="default", annotations=said),
        spec=PodSpec(containers=(Container(name="c", image="python"),)),
    )
    told = admission().admit(pod, None, user="ann").warnings
    assert [each.partition(":")[0] for each in told] == [
        "metadata.annotations.alibabacloud.com/burst-resource",
        "metadata.annotations.k8s.aliyun.com/eci-use-specs",
    ]
