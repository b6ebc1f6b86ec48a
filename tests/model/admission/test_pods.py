"""Pods: defaults, refusals in Kubernetes' words, and what may change."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tidegate.model.meta import touched

HANDLER = {"httpGet": {"path": "/", "port": 80}}


def pod(*containers, name="web", **spec):
    containers = list(containers) or [container()]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": containers, **spec},
    }


def container(name="app", image="app:1", **fields):
    return {"name": name, "image": image, **fields}


def test_a_bare_pod_gets_what_kubernetes_would_fill_in(admit):
    made = admit(
        pod(
            container(
                ports=[{"containerPort": 80}],
                readinessProbe={"httpGet": {"port": 80}},
                resources={"limits": {"cpu": "1", "memory": "1Gi"}},
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            ),
            volumes=[{"name": "data"}],
        )
    )
    assert msgspec.json.decode(msgspec.json.encode(made.spec)) == {
        "containers": [
            {
                "name": "app",
                "image": "app:1",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {
                    "limits": {"cpu": "1", "memory": "1Gi"},
                    "requests": {"cpu": "1", "memory": "1Gi"},
                },
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "readinessProbe": {
                    "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
        "schedulerName": "default-scheduler",
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
    }
    assert (made.status.phase, made.status.qos_class) == ("Pending", "Guaranteed")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("app", "Always"),
        ("app:latest", "Always"),
        ("app:1", "IfNotPresent"),
        ("localhost:5000/app", "Always"),
        ("app@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_the_tag_says_how_often_to_pull(admit, image, policy):
    assert admit(pod(container(image=image))).spec.containers[0].image_pull_policy == policy


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1"}}, "Guaranteed"),
    ],
)
def test_the_quality_of_service_follows_from_requests_and_limits(admit, resources, quality):
    assert admit(pod(container(resources=resources))).status.qos_class == quality


REFUSED = [
    pytest.param(
        pod(container(name="")), "spec.containers[0].name: Required value", id="no container name"
    ),
    pytest.param(
        pod(container(image="")), "spec.containers[0].image: Required value", id="no image"
    ),
    pytest.param(
        pod(container(image=" app:1")),
        'spec.containers[0].image: Invalid value: " app:1": '
        "must not have leading or trailing whitespace",
        id="space before the image",
    ),
    pytest.param(
        pod(container(), container()),
        'spec.containers[1].name: Duplicate value: "app"',
        id="the same name twice",
    ),
    pytest.param(
        pod(container(), initContainers=[container()]),
        'spec.initContainers[0].name: Duplicate value: "app"',
        id="an init container of the same name",
    ),
    pytest.param(
        pod(container(ports=[{"containerPort": 70000}])),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: "
        "must be between 1 and 65535, inclusive",
        id="port out of range",
    ),
    pytest.param(
        pod(container(ports=[{"containerPort": 0}])),
        "spec.containers[0].ports[0].containerPort: Required value",
        id="port 0",
    ),
    pytest.param(
        pod(
            container(ports=[{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}])
        ),
        'spec.containers[0].ports[1].name: Duplicate value: "a"',
        id="two ports of one name",
    ),
    pytest.param(
        pod(container(ports=[{"containerPort": 1, "protocol": "HTTP"}])),
        'spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": '
        'supported values: "SCTP", "TCP", "UDP"',
        id="an unknown protocol",
    ),
    pytest.param(
        pod(container(env=[{"name": "a=b"}])),
        'spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name '
        "must consist only of printable ASCII characters other than '='",
        id="an equals sign in a variable's name",
    ),
    pytest.param(
        pod(container(env=[{"name": "A", "valueFrom": {}}])),
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
        "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        id="a variable from nowhere",
    ),
    pytest.param(
        pod(container(volumeMounts=[{"name": "data", "mountPath": "/data"}])),
        'spec.containers[0].volumeMounts[0].name: Not found: "data"',
        id="a mount without its volume",
    ),
    pytest.param(
        pod(
            container(
                volumeMounts=[
                    {"name": "data", "mountPath": "/data"},
                    {"name": "data", "mountPath": "/data"},
                ]
            ),
            volumes=[{"name": "data"}],
        ),
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/data": must be unique',
        id="two mounts at one place",
    ),
    pytest.param(
        pod(volumes=[{"name": "a", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
        "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type",
        id="a volume of two kinds",
    ),
    pytest.param(
        pod(volumes=[{"name": "a"}, {"name": "a"}]),
        'spec.volumes[1].name: Duplicate value: "a"',
        id="two volumes of one name",
    ),
    pytest.param(
        pod(volumes=[{"name": "a", "hostPath": {"path": "/x/../y"}}]),
        "spec.volumes[0].hostPath.path: Invalid value: \"/x/../y\": must not contain '..'",
        id="a host path that climbs",
    ),
    pytest.param(
        pod(container(resources={"limits": {"cpu": "lots"}, "requests": {"cpu": 1}})),
        'spec.containers[0].resources.limits[cpu]: Invalid value: "lots": quantities must match '
        "the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        id="no quantity",
    ),
    pytest.param(
        pod(container(resources={"limits": {"cpu": "-1"}, "requests": {"cpu": 1}})),
        'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": '
        "must be greater than or equal to 0",
        id="a negative quantity",
    ),
    pytest.param(
        pod(container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}})),
        'spec.containers[0].resources.requests: Invalid value: "2": '
        "must be less than or equal to cpu limit of 1500m",
        id="more asked than allowed",
    ),
    pytest.param(
        pod(container(resources={"requests": {"nvidia.com/gpu": 1}})),
        "spec.containers[0].resources.limits: Required value: "
        "Limit must be set for non overcommitable resources",
        id="a GPU without a limit",
    ),
    pytest.param(
        pod(
            container(
                resources={"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}
            )
        ),
        'spec.containers[0].resources.requests: Invalid value: "1": '
        "must be equal to nvidia.com/gpu limit of 2",
        id="fewer GPUs asked than allowed",
    ),
    pytest.param(
        pod(
            container(
                resources={"limits": {"nvidia.com/gpu": "500m"}, "requests": {"nvidia.com/gpu": 1}}
            )
        ),
        'spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: "500m": '
        "must be an integer",
        id="half a GPU",
    ),
    pytest.param(
        pod(container(livenessProbe={})),
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        id="a probe that probes nothing",
    ),
    pytest.param(
        pod(container(readinessProbe={**HANDLER, "tcpSocket": {"port": 1}})),
        "spec.containers[0].readinessProbe.tcpSocket: Forbidden: "
        "may not specify more than 1 handler type",
        id="a probe that probes two things",
    ),
    pytest.param(
        pod(container(livenessProbe={**HANDLER, "successThreshold": 2})),
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        id="a liveness probe that wants two successes",
    ),
    pytest.param(
        pod(container(readinessProbe={**HANDLER, "periodSeconds": -1})),
        "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: "
        "must be greater than or equal to 0",
        id="a negative period",
    ),
    pytest.param(
        pod(initContainers=[container("init", livenessProbe=HANDLER)]),
        "spec.initContainers[0].livenessProbe: Forbidden: "
        "may not be set for init containers without restartPolicy=Always",
        id="an init container with a probe",
    ),
    pytest.param(
        pod(restartPolicy="Sometimes"),
        'spec.restartPolicy: Unsupported value: "Sometimes": '
        'supported values: "Always", "OnFailure", "Never"',
        id="an unknown restart policy",
    ),
    pytest.param(
        pod(terminationGracePeriodSeconds=-1),
        "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
        id="a negative grace period",
    ),
]


@pytest.mark.parametrize(("document", "problem"), REFUSED)
def test_a_pod_that_breaks_a_rule_is_refused_in_kubernetes_words(refusal, document, problem):
    assert refusal(document) == [problem]


def test_a_pod_needs_a_container(refusal):
    document = pod()
    document["spec"]["containers"] = []
    assert refusal(document) == ["spec.containers: Required value"]


def test_everything_wrong_is_said_at_once(refusal):
    assert refusal(pod(container(image=""), restartPolicy="No")) == [
        "spec.containers[0].image: Required value",
        'spec.restartPolicy: Unsupported value: "No": '
        'supported values: "Always", "OnFailure", "Never"',
    ]


def test_a_pod_may_be_bound_and_get_another_image(admit, refusal):
    old = admit(pod())
    spec = replace(
        old.spec,
        node_name="here",
        containers=(replace(old.spec.containers[0], image="app:2"),),
    )
    assert refusal(replace(old, spec=spec), old) is None


def test_a_pod_that_is_bound_stays_where_it_is(admit, refusal):
    old = admit(pod(nodeName="here"))
    (problem,) = refusal(replace(old, spec=replace(old.spec, node_name="there")), old)
    assert problem.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    )
    assert problem.endswith('\nspec.nodeName: "here" -> "there"')


def test_a_pods_command_cannot_change(admit, refusal):
    old = admit(pod(container(command=["a"])))
    changed = replace(old.spec, containers=(replace(old.spec.containers[0], command=("b",)),))
    (problem,) = refusal(replace(old, spec=changed), old)
    assert problem.endswith('\nspec.containers[0].command[0]: "a" -> "b"')


def test_tolerations_can_be_added_but_not_taken_away(admit, refusal):
    old = admit(pod(tolerations=[{"key": "a"}]))
    more = replace(old.spec, tolerations=[{"key": "a"}, {"key": "b"}])
    none = replace(old.spec, tolerations=[])
    assert refusal(replace(old, spec=more), old) is None
    assert refusal(replace(old, spec=none), old) is not None


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        pytest.param(
            {"labels": {"a b": "x"}},
            'metadata.labels: Invalid value: "a b": name part must consist of alphanumeric '
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            id="a label's key with a space",
        ),
        pytest.param(
            {"annotations": {"a": "x" * 262_144}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
            id="annotations over 256 KiB",
        ),
        pytest.param(
            {
                "owner_references": (),
                "name": "Web",
            },
            'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain must consist of '
            "lower case alphanumeric characters, '-' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'example.com', regex used for validation is "
            r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            id="a name with a capital",
        ),
    ],
)
def test_metadata_is_checked(admit, refusal, meta, problem):
    good = admit(pod())
    assert refusal(replace(good, metadata=touched(good.metadata, **meta))) == [problem]
