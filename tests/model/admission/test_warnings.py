"""What authors are told about documents that were accepted."""

from __future__ import annotations

from typing import Any

from tidegate.model.admission import warnings_for, warnings_of
from tidegate.model.admission.warnings import RUNTIMES
from tidegate.model.kinds import BY_GVK
from tidegate.model.wire import read
from tidegate.policy.pod_runtime import RunsAs

CONTAINERS_ONLY = "honoured in containers; a process of this machine has no such thing"
CLUSTER_ONLY = "kept, but it only has an effect on a cluster"


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": "app:1", **(container or {})}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": containers, **spec},
    }


def said_about(document: dict[str, Any], old: dict[str, Any] | None = None) -> tuple[str, ...]:
    obj, notes = _read(document)
    return warnings_for(obj, notes, _read(old)[0] if old else None)


def _read(document: dict[str, Any]) -> Any:
    body = dict(document)
    kind = BY_GVK[body.pop("apiVersion"), body.pop("kind")]
    obj, reading = read(body, kind.type)
    return obj, reading.notes


def test_variables_that_are_not_set_for_services_are_told_of_where_they_were_asked_for():
    assert said_about(pod()) == said_about(pod(enableServiceLinks=False)) == ()
    (told,) = said_about(pod(enableServiceLinks=True))
    assert told.startswith("spec.enableServiceLinks: known, but no variables are set for Services")


def test_a_field_without_effect_is_named():
    assert said_about(pod(affinity={"podAffinity": {}})) == (f"spec.affinity: {CLUSTER_ONLY}",)


def test_what_goes_without_saying_is_not_said():
    assert said_about(pod(securityContext={}, hostNetwork=False)) == ()


def test_a_pull_policy_is_worth_a_word_only_if_it_is_not_the_usual_one():
    assert said_about(pod({"imagePullPolicy": "IfNotPresent"})) == ()
    assert said_about(pod({"imagePullPolicy": "Always"})) == (
        f"spec.containers[0].imagePullPolicy: {CONTAINERS_ONLY}",
    )


def test_what_only_containers_have_is_named():
    spec = {"imagePullSecrets": [{"name": "s"}], "securityContext": {"fsGroup": 1}}
    assert set(said_about(pod({"securityContext": {"runAsUser": 1}}, **spec))) == {
        f"spec.imagePullSecrets: {CONTAINERS_ONLY}",
        f"spec.securityContext: {CONTAINERS_ONLY}",
        f"spec.containers[0].securityContext.runAsUser: {CONTAINERS_ONLY}",
    }


def test_a_runtime_class_that_is_ours_needs_no_word():
    assert tuple(RunsAs) == RUNTIMES
    assert said_about(pod(runtimeClassName="container")) == ()
    assert said_about(pod(runtimeClassName="gvisor")) == (f"spec.runtimeClassName: {CLUSTER_ONLY}",)


def test_a_scheduler_that_does_not_run_here_is_named():
    assert warnings_of(_read(pod(schedulerName="default-scheduler"))[0]) == ()
    assert warnings_of(_read(pod(schedulerName="volcano"))[0]) == (
        "spec.schedulerName: no scheduler 'volcano' runs here: the engine's own places the pod on "
        "this machine",
    )


def test_the_pods_of_an_inference_service_are_looked_at_too():
    isvc = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris"},
        "spec": {"predictor": {"schedulerName": "a"}, "transformer": {"schedulerName": "b"}},
    }
    assert [said.partition(":")[0] for said in warnings_of(_read(isvc)[0])] == [
        "spec.predictor.schedulerName",
        "spec.transformer.schedulerName",
    ]


def test_what_was_said_before_is_not_said_again():
    first = pod(affinity={"podAffinity": {}})
    second = pod(affinity={"podAffinity": {}}, priorityClassName="high")
    assert said_about(second, old=first) == (f"spec.priorityClassName: {CLUSTER_ONLY}",)


def test_a_variable_that_hides_another_is_named():
    env = [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}]
    assert warnings_of(_read(pod({"env": env}))[0]) == (
        'spec.containers[0].env[2]: hides previous definition of "A", '
        "which may be dropped when using apply",
    )


def test_settings_of_a_queue_proxy_have_nothing_to_act_on():
    key = "queue.sidecar.serving.knative.dev/resource-percentage"
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "svc"},
        "spec": {"template": {"metadata": {"annotations": {key: "10"}}, "spec": {}}},
    }
    assert warnings_of(_read(service)[0]) == (
        "Queue proxy resource percentage annotation is deprecated. Please use the available "
        "annotations to explicitly set resource values per service",
        f"spec.template.metadata.annotations.[{key}]: "
        "kept, but no queue-proxy runs beside the containers here",
    )


def test_a_feature_flag_that_is_no_flag_is_not_dropped_in_silence():
    features = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config-features"},
        "data": {"multi-container": "yes", "kubernetes.podspec-affinity": "ENABLED"},
    }
    assert warnings_of(_read(features)[0]) == (
        'data[multi-container]: "yes" is none of Enabled, Allowed, Disabled: ignored',
    )
