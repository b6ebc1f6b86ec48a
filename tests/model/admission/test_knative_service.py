"""Knative Services: defaults, refusals in the webhook's words, what may change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tidegate.model.admission.knative import RevisionDefaults
from tidegate.model.meta import OwnerReference, touched

PREFIX = "spec.template.spec"
C0 = f"{PREFIX}.containers[0]"
NOT_1035 = (
    "not a DNS 1035 label: [a DNS-1035 label must consist of lower case alphanumeric characters "
    "or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. "
    "'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]"
)


def container(image="app:1", **fields: Any) -> dict[str, Any]:
    return {"image": image, **fields}


def service(
    *containers: dict[str, Any], name="svc", template=None, meta=None, traffic=None, **spec: Any
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "template": {
            "metadata": template or {},
            "spec": {"containers": list(containers) or [container()], **spec},
        }
    }
    if traffic is not None:
        body["traffic"] = traffic
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", **(meta or {})},
        "spec": body,
    }


def raw(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


# --- defaults


def test_a_bare_service_gets_what_knative_would_fill_in(admit):
    made = admit(service(), user="ann")
    assert raw(made) == {
        "metadata": {
            "name": "svc",
            "namespace": "default",
            "annotations": {
                "serving.knative.dev/creator": "ann",
                "serving.knative.dev/lastModifier": "ann",
            },
        },
        "spec": {
            "template": {
                "metadata": {},
                "spec": {
                    "containerConcurrency": 0,
                    "timeoutSeconds": 300,
                    "enableServiceLinks": False,
                    "containers": [
                        {
                            "name": "user-container",
                            "image": "app:1",
                            "resources": {},
                            "readinessProbe": {"tcpSocket": {"port": 0}, "successThreshold": 1},
                        }
                    ],
                },
            },
            "traffic": [{"latestRevision": True, "percent": 100}],
        },
    }


def test_config_defaults_speaks_where_the_document_is_silent(admit):
    defaults = RevisionDefaults(
        timeout_s=60,
        response_start_timeout_s=20,
        idle_timeout_s=60,
        concurrency=7,
        enable_service_links=None,
        requests={"cpu": "100m", "memory": "1Gi"},
        container_name=lambda name, namespace: f"{name}-{namespace}",
    )
    asked = container(resources={"requests": {"cpu": "1"}})
    spec = admit(service(asked), defaults=defaults).spec.template.spec
    assert spec.timeout_seconds == 60
    assert spec.response_start_timeout_seconds == 20
    assert spec.idle_timeout_seconds is None  # not below the whole timeout: says nothing
    assert (spec.container_concurrency, spec.enable_service_links) == (7, None)
    assert spec.containers[0].name == "svc-default"
    assert spec.containers[0].resources.requests == {"cpu": "1", "memory": "1Gi"}


def test_timeout_0_means_the_default(admit):
    assert admit(service(timeoutSeconds=0)).spec.template.spec.timeout_seconds == 300


def test_unnamed_containers_are_numbered_around_the_named_ones(admit):
    made = admit(
        service(
            container(ports=[{"containerPort": 8080}]),
            container(name="user-container-1"),
            container(),
            initContainers=[container()],
        )
    )
    spec = made.spec.template.spec
    assert [c.name for c in spec.containers] == [
        "user-container-0",
        "user-container-1",
        "user-container-2",
    ]
    assert [c.name for c in spec.init_containers] == ["init-container"]
    assert [c.readiness_probe is not None for c in spec.containers] == [True, False, False]


def test_a_readiness_probe_with_a_period_gets_kubernetes_thresholds(admit):
    probe = {"httpGet": {"path": "/healthz"}, "periodSeconds": 5}
    made = admit(service(container(readinessProbe=probe)))
    assert raw(made.spec.template.spec.containers[0].readiness_probe) == {
        "httpGet": {"path": "/healthz"},
        "periodSeconds": 5,
        "successThreshold": 1,
        "failureThreshold": 3,
        "timeoutSeconds": 1,
    }


def test_only_writable_kinds_of_volume_are_mounted_writable(admit):
    names = ("config", "scratch", "claim", "host")
    made = admit(
        service(
            container(volumeMounts=[{"name": n, "mountPath": f"/{n}"} for n in names]),
            volumes=[
                {"name": "config", "configMap": {"name": "c"}},
                {"name": "scratch", "emptyDir": {}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
                {"name": "host", "hostPath": {"path": "/models"}},
            ],
        )
    )
    mounts = made.spec.template.spec.containers[0].volume_mounts
    assert {m.name: m.read_only for m in mounts} == {
        "config": True,
        "scratch": None,
        "claim": None,
        "host": True,
    }


def test_secure_defaults_restrict_what_was_left_open(admit):
    flags = {"secure-pod-defaults": "Enabled"}
    made = admit(service(container(ports=[{"containerPort": 80}])), flags=flags)
    assert raw(made.spec.template.spec.containers[0].security_context) == {
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "runAsNonRoot": True,
    }


def test_traffic_entries_say_whether_they_float(admit):
    traffic = [{"percent": 100}, {"revisionName": "svc-00001", "tag": "old"}]
    made = admit(service(traffic=traffic))
    assert raw(made.spec.traffic) == [
        {"latestRevision": True, "percent": 100},
        {"revisionName": "svc-00001", "latestRevision": False, "percent": 0, "tag": "old"},
    ]


# --- refusals

TEXTS = [
    pytest.param(
        service(name="1svc"), f"{NOT_1035}: metadata.name", id="a name that is no host name"
    ),
    pytest.param(
        service(meta={"annotations": {"autoscaling.knative.dev/min-scale": "1"}}),
        'invalid key name "autoscaling.knative.dev/min-scale": metadata.annotations\n'
        'autoscaling annotations must be put under "spec.template.metadata.annotations" to work',
        id="autoscaling in the wrong place",
    ),
    pytest.param(
        service(template={"annotations": {"autoscaling.knative.dev/min-scale": "-1"}}),
        "expected 0 <= -1 <= 2147483647: "
        "spec.template.metadata.annotations.autoscaling.knative.dev/min-scale",
        id="a negative scale",
    ),
    pytest.param(
        service(
            template={
                "annotations": {
                    "autoscaling.knative.dev/min-scale": "5",
                    "autoscaling.knative.dev/max-scale": "2",
                }
            }
        ),
        "max-scale=2 is less than min-scale=5: "
        "spec.template.metadata.annotations.autoscaling.knative.dev/max-scale, "
        "spec.template.metadata.annotations.autoscaling.knative.dev/min-scale",
        id="scales the wrong way round",
    ),
    pytest.param(
        service(meta={"annotations": {"serving.knative.dev/rollout-duration": "1.5s"}}),
        "rollout-duration=1.5s is not at second precision: "
        "metadata.annotations.serving.knative.dev/rollout-duration",
        id="a rollout of half seconds",
    ),
    pytest.param(
        service(template={"annotations": {"serving.knative.dev/progress-deadline": "-1s"}}),
        "progress-deadline=-1s must be positive: "
        "spec.template.metadata.annotations.serving.knative.dev/progress-deadline",
        id="a deadline in the past",
    ),
    pytest.param(
        service(
            template={
                "annotations": {"queue.sidecar.serving.knative.dev/cpu-resource-request": "lots"}
            }
        ),
        "invalid value: lots: spec.template.metadata.annotations."
        "[queue.sidecar.serving.knative.dev/cpu-resource-request]",
        id="a sidecar's quantity",
    ),
    pytest.param(
        service(meta={"labels": {"networking.knative.dev/visibility": "mine"}}),
        "invalid value: mine: metadata.labels.networking.knative.dev/visibility",
        id="an unknown visibility",
    ),
    pytest.param(
        service(template={"name": "other-1"}),
        'invalid value: "other-1" must have prefix "svc-": spec.template.metadata.name',
        id="a revision of another name",
    ),
    pytest.param(
        service(template={"name": "svc-1_"}),
        f"invalid value: {NOT_1035}: spec.template.metadata.name",
        id="a revision's name that is no host name",
    ),
    pytest.param(
        service(timeoutSeconds=601),
        f"expected 0 <= 601 <= 600: {PREFIX}.timeoutSeconds",
        id="too long a timeout",
    ),
    pytest.param(
        service(containerConcurrency=1001),
        f"expected 0 <= 1001 <= 1000: {PREFIX}.containerConcurrency",
        id="too much at a time",
    ),
    pytest.param(service(container(image="")), f"missing field(s): {C0}.image", id="no image"),
    pytest.param(
        service(container(image="foo:bar:baz")),
        f"Failed to parse image reference: {C0}.image\n"
        'image: "foo:bar:baz", error: could not parse reference: foo:bar:baz',
        id="an image that doesn't parse",
    ),
    pytest.param(
        service(container(name="queue-proxy")),
        f'"queue-proxy" is a reserved container name: {C0}.name',
        id="a reserved container name",
    ),
    pytest.param(
        service(container(name="a", ports=[{"containerPort": 8080}]), container(name="a")),
        f'duplicate container name "a": {PREFIX}.containers[1].name',
        id="a name twice",
    ),
    pytest.param(
        service(container(ports=[{"containerPort": 80}, {"containerPort": 81}])),
        f"more than one container port is set: {PREFIX}.containers[*].ports\n"
        "Only a single port is allowed across all containers",
        id="two ports",
    ),
    pytest.param(
        service(container(), container()),
        f"missing field(s): {PREFIX}.containers[*].ports",
        id="two containers and no port",
    ),
    pytest.param(
        service(container(ports=[{"containerPort": 8012}])),
        f"invalid value: 8012 is a reserved port: {C0}.ports.containerPort\n"
        "8012 is a reserved port, please use a different value",
        id="a reserved port",
    ),
    pytest.param(
        service(container(ports=[{"containerPort": 70000}])),
        f"expected 0 <= 70000 <= 65535: {C0}.ports.containerPort",
        id="a port out of range",
    ),
    pytest.param(
        service(container(ports=[{"containerPort": 80, "name": "grpc"}])),
        f"Port name grpc is not allowed: {C0}.ports\nName must be empty, or one of: 'h2c', 'http1'",
        id="a port's name",
    ),
    pytest.param(
        service(container(ports=[{"containerPort": 80, "protocol": "UDP"}])),
        f"invalid value: UDP: {C0}.ports.protocol",
        id="a port of datagrams",
    ),
    pytest.param(
        service(container(ports=[{"containerPort": 80, "hostPort": 80}])),
        f"must not set the field(s): {C0}.ports.hostPort",
        id="a host port",
    ),
    pytest.param(
        service(container(env=[{"name": "PORT", "value": "1"}])),
        f'"PORT" is a reserved environment variable: {C0}.env[0].name',
        id="a reserved variable",
    ),
    pytest.param(
        service(
            container(
                env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
            )
        ),
        f"must not set the field(s): {C0}.env[0].valueFrom.fieldRef",
        id="a variable from a field",
    ),
    pytest.param(
        service(container(envFrom=[{}])),
        f"expected exactly one, got neither: {C0}.envFrom.configMapRef, {C0}.envFrom.secretRef",
        id="variables from nowhere",
    ),
    pytest.param(
        service(container(readinessProbe={"tcpSocket": {"port": 1}, "failureThreshold": 2})),
        "failureThreshold is disallowed when periodSeconds is zero: "
        f"{C0}.readinessProbe.failureThreshold",
        id="a threshold of the fast probe",
    ),
    pytest.param(
        service(container(livenessProbe={"periodSeconds": 1})),
        "expected exactly one, got neither: "
        + ", ".join(
            f"{C0}.livenessProbe.{name}" for name in ("exec", "grpc", "httpGet", "tcpSocket")
        ),
        id="a probe that probes nothing",
    ),
    pytest.param(
        service(container(livenessProbe={"httpGet": {"port": "web"}})),
        f"invalid value: web: {C0}.livenessProbe.httpGet.port\n"
        "Probe port must match container port",
        id="a probe of another port",
    ),
    pytest.param(
        service(container(lifecycle={"preStop": {"exec": {"command": ["x"]}}}, tty=True)),
        f"must not set the field(s): {C0}.lifecycle, {C0}.tty",
        id="container fields that are never allowed",
    ),
    pytest.param(
        service(container(securityContext={"privileged": True, "runAsUser": -1})),
        f"expected 0 <= -1 <= 2147483647: {C0}.securityContext.runAsUser\n"
        f"must not set the field(s): {C0}.securityContext.privileged",
        id="a privileged container",
    ),
    pytest.param(
        service(restartPolicy="Never", nodeName="here", hostNetwork=True),
        "must not set the field(s): "
        f"{PREFIX}.hostNetwork, {PREFIX}.nodeName, {PREFIX}.restartPolicy",
        id="pod fields that are not allowed",
    ),
    pytest.param(
        service(automountServiceAccountToken=True),
        f"must not set the field(s): {PREFIX}.automountServiceAccountToken",
        id="a mounted token",
    ),
    pytest.param(
        service(volumes=[{"name": "v", "emptyDir": {}}]),
        f'volume with name "v" not mounted: {PREFIX}.volumes[0].name',
        id="a volume that nobody mounts",
    ),
    pytest.param(
        service(container(volumeMounts=[{"name": "v", "mountPath": "/v"}])),
        f"volumeMount has no matching volume: {C0}.volumeMounts[0].name",
        id="a mount without its volume",
    ),
    pytest.param(
        service(
            container(
                volumeMounts=[
                    {"name": "v", "mountPath": "/dev/"},
                    {"name": "v", "mountPath": "data"},
                    {"name": "v", "mountPath": "/a"},
                    {"name": "v", "mountPath": "/a/"},
                ]
            ),
            volumes=[{"name": "v", "emptyDir": {}}],
        ),
        f'invalid value: "/a/" must be unique: {C0}.volumeMounts[3].mountPath\n'
        f"invalid value: data: {C0}.volumeMounts[1].mountPath\n"
        f'mountPath "/dev" is a reserved path: {C0}.volumeMounts[0].mountPath',
        id="mount paths",
    ),
    pytest.param(
        service(
            container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
            volumes=[{"name": "v", "nfs": {"server": "a", "path": "/"}}],
        ),
        "expected exactly one, got neither: "
        + ", ".join(
            f"{PREFIX}.volumes[0].{name}"
            for name in (
                "configMap",
                "csi",
                "emptyDir",
                "hostPath",
                "persistentVolumeClaim",
                "projected",
                "secret",
            )
        )
        + f"\nmust not set the field(s): {PREFIX}.volumes[0].nfs",
        id="a kind of volume that Knative doesn't know",
    ),
    pytest.param(
        service(initContainers=[container(livenessProbe={"tcpSocket": {"port": 1}})]),
        f"field not allowed in an init container: {PREFIX}.initContainers[0].livenessProbe",
        id="a probe of an init container",
    ),
    pytest.param(
        service(
            container(ports=[{"containerPort": 8080}]),
            container(livenessProbe={"tcpSocket": {"port": 1}}),
        ),
        f"must not set the field(s): {PREFIX}.containers[1].livenessProbe.tcpSocket",
        id="a probe of a sidecar",
    ),
    pytest.param(
        service(container(resources={"limits": {"cpu": "abc"}})),
        'Invalid value: "abc": quantities must match the regular expression '
        f"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': {C0}.resources.limits[cpu]",
        id="a limit that is no quantity",
    ),
    pytest.param(
        service(container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})),
        'Invalid value: "2": must be less than or equal to cpu limit of 1: '
        f"{C0}.resources.requests",
        id="more asked for than allowed",
    ),
]


@pytest.mark.parametrize(("document", "text"), TEXTS)
def test_a_service_that_breaks_a_rule_is_refused_in_knatives_words(refusal, document, text):
    assert refusal(document) == text


def test_a_service_needs_a_container(refusal):
    document = service()
    document["spec"]["template"]["spec"]["containers"] = []
    assert refusal(document) == f"missing field(s): {PREFIX}.containers"


def test_a_service_account_has_a_proper_name(refusal):
    text = refusal(service(serviceAccountName="Me"))
    message, details = text.split("\n")
    assert message == f"invalid value: Me: {PREFIX}.serviceAccountName"
    assert details.startswith("a lowercase RFC 1123 subdomain must consist of")


def test_entries_that_say_the_same_are_merged_and_sorted(refusal):
    text = refusal(
        service(
            container(image="", ports=[{"containerPort": 8080}]),
            container(image=""),
            timeoutSeconds=1000,
        )
    )
    assert text == (
        f"expected 0 <= 1000 <= 600: {PREFIX}.timeoutSeconds\n"
        f"missing field(s): {C0}.image, {PREFIX}.containers[1].image"
    )


# --- features


@pytest.mark.parametrize(
    ("document", "feature", "text"),
    [
        pytest.param(
            service(nodeSelector={"gpu": "a10"}),
            "kubernetes.podspec-nodeselector",
            f"must not set the field(s): {PREFIX}.nodeSelector",
            id="node selector",
        ),
        pytest.param(
            service(initContainers=[container()]),
            "kubernetes.podspec-init-containers",
            "must not set the field(s): spec.template.spec.initContainers\n"
            "pod spec support for init-containers is off, but found 1 init containers: ",
            id="init containers",
        ),
        pytest.param(
            service(
                container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "models"}}],
            ),
            "kubernetes.podspec-persistent-volume-write",
            "Persistent volume write support is disabled, but found persistent volume claim "
            "models that is not read-only: ",
            id="writing to claims",
        ),
        pytest.param(
            service(
                container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                volumes=[{"name": "v", "hostPath": {"path": "/models"}}],
            ),
            "kubernetes.podspec-volumes-hostpath",
            "HostPath volume support is disabled, but found HostPath volume v: ",
            id="host paths",
        ),
        pytest.param(
            service(container(ports=[{"containerPort": 80}]), container()),
            "multi-container",
            "multi-container is off, but found 2 containers: ",
            id="several containers",
        ),
    ],
)
def test_what_is_on_by_default_can_be_turned_off(refusal, document, feature, text):
    assert refusal(document) is None
    assert refusal(document, flags={feature: "Disabled"}) == text


def test_what_is_off_by_default_can_be_turned_on(refusal):
    document = service(priorityClassName="high")
    off = refusal(document)
    assert off == f"must not set the field(s): {PREFIX}.priorityClassName"
    flag = "kubernetes.podspec-priorityclassname"
    assert refusal(document, flags={flag: "allowed"}) is None
    assert refusal(document, flags={flag: "perhaps"}) == off


# --- updates


def test_who_changed_the_spec_last_is_noted(admit):
    old = admit(service(), user="ann")
    same = admit(old, old, user="bob")
    new = admit(replace(old, spec=replace(old.spec, traffic=())), old, user="bob")
    assert same == old
    assert new == old  # defaulting made it the same again
    changed = admit(service(container(image="app:2")), user="ann")
    changed = admit(replace(old, spec=changed.spec), old, user="bob")
    assert changed.metadata.annotations == {
        "serving.knative.dev/creator": "ann",
        "serving.knative.dev/lastModifier": "bob",
    }


def test_what_somebody_else_owns_carries_no_user(admit):
    owner = OwnerReference(api_version="v1", kind="InferenceService", name="x", uid="1")
    document = service()
    document["metadata"]["ownerReferences"] = [raw(owner)]
    assert admit(document).metadata.annotations == {}


def test_creator_and_last_modifier_cannot_be_written(admit, refusal):
    old = admit(service(), user="ann")
    forged = {
        "serving.knative.dev/creator": "eve",
        "serving.knative.dev/lastModifier": "eve",
    }
    new = replace(old, metadata=touched(old.metadata, annotations=forged))
    assert refusal(new, old) == (
        "annotation value is immutable: metadata.annotations.serving.knative.dev/creator\n"
        "invalid value: eve: metadata.annotations.serving.knative.dev/lastModifier"
    )


def test_a_named_template_needs_a_new_name_for_every_change(admit, refusal):
    old = admit(service(template={"name": "svc-one"}))
    changed = admit(service(container(image="app:2"), template={"name": "svc-one"}))
    changed = replace(old, spec=changed.spec)
    assert refusal(changed, old) == (
        "Saw the following changes without a name change (-old +new): "
        "spec.template.metadata.name\n"
        'spec.containers[0].image:\n\t-: "app:1"\n\t+: "app:2"'
    )
    renamed = admit(service(container(image="app:2"), template={"name": "svc-two"}))
    assert refusal(replace(old, spec=renamed.spec), old) is None


def test_a_generated_name_leaves_no_room_for_a_name_of_ones_own(refusal):
    document = service(name="svc-abcde", template={"name": "svc-abcde-one"})
    document["metadata"]["generateName"] = "svc-"
    assert refusal(document) == "must not set the field(s): spec.template.metadata.name"
