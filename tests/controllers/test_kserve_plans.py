"""What an InferenceService is made of, as values."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.controllers.kserve.agent import in_cluster
from tidegate.controllers.kserve.pods import ComponentPods, plan_pods
from tidegate.controllers.kserve.scaling import (
    carry_hpa,
    carry_scaled_object,
    desired_hpa,
    desired_scaled_object,
)
from tidegate.controllers.kserve.serverless import (
    Latest,
    desired_ksvc,
    rolled_out,
    traffic,
)
from tidegate.controllers.kserve.standard import (
    carry_deployment,
    desired_deployment,
    desired_ingress,
    desired_service,
)
from tidegate.controllers.kserve.status import model_status
from tidegate.controllers.revision.pods import pod_spec
from tidegate.model.admission import admit_kserve
from tidegate.model.admission.autoscalers import default_autoscaler
from tidegate.model.containers import Container
from tidegate.model.kserve import (
    ComponentStatus,
    InferenceService,
    ModelStates,
    ModelStatus,
    ServingRuntimeSpec,
)
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import Pod, PodStatus
from tidegate.model.serving import Revision, RevisionSpec, TrafficTarget
from tidegate.model.wire import read, to_raw
from tidegate.policy.config_inference import InferenceConfig, parse_inference_config
from tidegate.policy.errors import BadConfig
from tidegate.policy.kserve_builtin import BUILT_IN_RUNTIMES
from tidegate.policy.kserve_runtimes import Chosen, choose_runtime

CUSTOM = {"containers": [{"image": "kserve/sklearnserver:v0.12", "args": ["--model_name=iris"]}]}


def isvc(predictor: dict[str, Any], mode: str = "Standard", **more: Any) -> InferenceService:
    meta = {"name": "iris", "namespace": "default", "uid": "u-1", **more.pop("metadata", {})}
    raw = {"metadata": meta, "spec": {"predictor": predictor, **more}}
    given, _ = read(raw, InferenceService)
    return admit_kserve(given, None, default_mode=mode)


def pods(of: InferenceService, component: str = "predictor") -> ComponentPods:
    part = getattr(of.spec, component)
    model = getattr(part, "model", None)
    runtime = choose_runtime(model, (), BUILT_IN_RUNTIMES) if model else None
    return plan_pods(of, component, part, runtime)


def raw_pods(of: InferenceService, component: str = "predictor") -> dict[str, Any]:
    return to_raw(pods(of, component).spec)


def test_a_model_on_this_machine_is_mounted_where_the_server_looks():
    spec = raw_pods(isvc({"sklearn": {"storageUri": "file:///models/iris"}}))
    (container,) = spec["containers"]
    assert "--model_dir=/mnt/models" in container["args"]
    assert "--model_name=iris" in container["args"]
    assert list(container["volumeMounts"]) == [
        {"name": "kserve-provision-location", "mountPath": "/mnt/models", "readOnly": True}
    ]
    assert list(spec["volumes"]) == [
        {"name": "kserve-provision-location", "hostPath": {"path": "/models/iris"}}
    ]


def test_a_model_in_a_claim_is_its_sub_path():
    spec = raw_pods(isvc({"sklearn": {"storageUri": "pvc://models/iris/v1"}}))
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount["subPath"] == "iris/v1"
    (volume,) = spec["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models"}


def test_a_model_of_an_object_store_is_an_init_containers_business():
    spec = raw_pods(isvc({"sklearn": {"storageUri": "s3://models/iris"}}))
    (fetch,) = spec["initContainers"]
    assert fetch["name"] == "storage-initializer"
    assert list(fetch["args"]) == ["s3://models/iris", "/mnt/models"]
    name = "kserve-provision-location"
    assert list(fetch["volumeMounts"]) == [{"name": name, "mountPath": "/mnt/models"}]
    assert list(spec["volumes"]) == [{"name": name, "emptyDir": {}}]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount == {"name": name, "mountPath": "/mnt/models", "readOnly": True}


def test_a_storage_key_chooses_from_the_secret_without_reading_it():
    storage = {"key": "minio", "path": "/iris", "parameters": {"bucket": "other"}}
    given = isvc({"sklearn": {"storage": storage}})
    (fetch,) = raw_pods(given)["initContainers"]
    assert fetch["args"][0] == "<scheme-placeholder>://iris"
    config, override = fetch["env"]
    assert config["valueFrom"]["secretKeyRef"] == {"name": "storage-config", "key": "minio"}
    assert override == {"name": "STORAGE_OVERRIDE_CONFIG", "value": '{"bucket": "other"}'}


def test_several_models_have_folders_of_their_own():
    uris = [{"uri": "s3://b/base", "mountPath": "/mnt/models/base"}, {"uri": "/here"}]
    given = {**CUSTOM, "storageUris": uris}
    spec = raw_pods(isvc(given))
    (fetch,) = spec["initContainers"]
    assert list(fetch["args"]) == ["s3://b/base", "/mnt/models"]
    mounts = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
    assert mounts == {
        "/mnt/models/base": "kserve-provision-location",
        "/mnt/models": "kserve-provision-location-1",
    }


def test_a_custom_container_finds_its_fetched_model_by_its_variable():
    other = {"name": "LABELS", "value": "gs://b/labels"}
    env = [{"name": "STORAGE_URI", "value": "gs://b/m"}, other]
    spec = raw_pods(isvc({"containers": [{"image": "x:1", "env": env}]}))
    assert {"name": "STORAGE_URI", "value": "/mnt/models"} in spec["containers"][0]["env"]
    assert other in spec["containers"][0]["env"]
    assert spec["initContainers"][0]["args"][0] == "gs://b/m"


def test_a_custom_container_is_told_whose_it_is_and_may_name_its_model():
    given = {"containers": [{"image": "x:1", "env": [{"name": "STORAGE_URI", "value": "/m"}]}]}
    spec = raw_pods(isvc(given))
    (container,) = spec["containers"]
    assert {"name": "INFERENCE_SERVICE_NAME", "value": "iris"} in container["env"]
    assert container["volumeMounts"][0]["mountPath"] == "/mnt/models"


def test_in_knative_mode_the_agent_is_no_container_of_the_document():
    given = isvc({**CUSTOM, "batcher": {"maxBatchSize": 8}})
    was = ComponentStatus()
    template = desired_ksvc(given, given.spec.predictor, pods(given), was).spec.template
    (model,) = template.spec.containers
    assert model.name == "kserve-container"
    revision = Revision(
        metadata=ObjectMeta(name="r", annotations=template.metadata.annotations),
        spec=template.spec,
    )
    own, agent = pod_spec(revision).containers
    assert [(p.name, p.container_port) for p in own.ports] == [(None, 8080)]
    assert [(p.name, p.container_port) for p in agent.ports] == [("user-port", 9081)]
    assert "--max-batchsize=8" in agent.args


def test_an_agent_that_nobody_of_ours_wrote_down_is_none():
    for text in ("no json", "null", '{"name": "agent"}'):
        note = {"internal.serving.kserve.io/agent": text}
        spec = RevisionSpec(containers=(Container(name="c"),))
        revision = Revision(metadata=ObjectMeta(name="r", annotations=note), spec=spec)
        assert [c.name for c in pod_spec(revision).containers] == ["c"]


def test_a_batcher_and_a_logger_are_an_agent_in_front_of_the_model():
    given = isvc(
        {
            **CUSTOM,
            "batcher": {"maxBatchSize": 8, "maxLatency": 50},
            "logger": {"url": "http://sink/", "mode": "request", "metadataHeaders": ["X-A", "X-B"]},
        }
    )
    model, agent = raw_pods(given)["containers"]
    assert [port["containerPort"] for port in model["ports"]] == [8080]
    assert agent["image"] == "kserve/agent:latest"
    assert list(agent["args"]) == [
        "--component-port=8080",
        "--port=9081",
        "--enable-batcher",
        "--max-batchsize=8",
        "--max-latency=50",
        "--log-url=http://sink/",
        "--log-mode=request",
        "--inference-service=iris",
        "--namespace=default",
        "--component=predictor",
        "--metadata-headers=X-A,X-B",
    ]
    service = to_raw(desired_service(given, pods(given)))
    assert service["spec"]["ports"][0]["targetPort"] == 9081
    deployment = desired_deployment(given, given.spec.predictor, pods(given), "hpa")
    probes = [c.readiness_probe for c in deployment.spec.template.spec.containers]
    assert [p.tcp_socket.port for p in probes if p and p.tcp_socket] == [8080, 9081]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://dumper.default/", "http://dumper.default.svc.cluster.local/"),
        ("http://dumper:8080/x?y=z", "http://dumper.team.svc.cluster.local:8080/x?y=z"),
        ("http://dumper.default.svc.cluster.local/", "http://dumper.default.svc.cluster.local/"),
        ("http://example.com/", "http://example.com/"),
        ("http://localhost:9/", "http://localhost:9/"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/"),
    ],
)
def test_a_loggers_url_may_be_short_as_a_clusters_dns_lets_it(written, meant):
    assert in_cluster(written, "team", {"default", "team"}.__contains__) == meant


def test_what_the_user_says_of_a_volume_or_a_node_lies_over_the_runtimes():
    runtime, _ = read(
        {
            "supportedModelFormats": [{"name": "sklearn", "autoSelect": True}],
            "nodeSelector": {"disk": "ssd", "zone": "a"},
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "shm", "emptyDir": {}}],
            "containers": [
                {
                    "name": "kserve-container",
                    "image": "r:1",
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
        },
        ServingRuntimeSpec,
    )
    own = {"name": "tmp", "hostPath": {"path": "/fast"}}
    mount = {"name": "shm", "mountPath": "/tmp"}
    given = isvc(
        {
            "sklearn": {"volumeMounts": [mount]},
            "volumes": [own],
            "nodeSelector": {"zone": "b"},
        }
    )
    made = plan_pods(given, "predictor", given.spec.predictor, Chosen("mine", runtime, False)).spec
    assert made.node_selector == {"disk": "ssd", "zone": "b"}
    assert [(v.name, v.host_path is not None) for v in made.volumes] == [
        ("tmp", True),
        ("shm", False),
    ]
    assert [(m.name, m.mount_path) for m in made.containers[0].volume_mounts] == [("shm", "/tmp")]


def test_a_transformer_is_told_where_its_predictor_is_unless_it_knows():
    given = isvc(CUSTOM, transformer={"containers": [{"image": "t:1"}]})
    assert list(raw_pods(given, "transformer")["containers"][0]["args"]) == [
        "--model_name",
        "iris",
        "--predictor_host",
        "iris-predictor.default",
        "--http_port",
        "8080",
    ]
    knows = isvc(CUSTOM, transformer={"containers": [{"image": "t:1", "args": ["--model_name=x"]}]})
    args = raw_pods(knows, "transformer")["containers"][0]["args"]
    assert args.count("--model_name=x") == 1
    assert "--model_name" not in args


def test_standard_mode_has_kserves_names_labels_and_ports():
    given = isvc(CUSTOM)
    deployment = desired_deployment(given, given.spec.predictor, pods(given), "hpa")
    assert deployment.metadata.name == "iris-predictor"
    assert deployment.spec.replicas is None
    assert deployment.spec.selector.match_labels == {"app": "isvc.iris-predictor"}
    template = deployment.spec.template
    assert template.metadata is not None
    assert template.metadata.labels == {
        "app": "isvc.iris-predictor",
        "component": "predictor",
        "serving.kserve.io/inferenceservice": "iris",
    }
    probe = template.spec.containers[0].readiness_probe
    assert probe is not None
    assert probe.tcp_socket is not None
    assert probe.tcp_socket.port == 8080
    service = to_raw(desired_service(given, pods(given)))
    assert service["spec"]["selector"] == {"app": "isvc.iris-predictor"}
    (port,) = service["spec"]["ports"]
    assert port == {"name": "iris-predictor", "port": 80, "targetPort": 8080, "protocol": "TCP"}


def test_pods_change_a_quarter_at_a_time_unless_the_document_says_how():
    given = isvc(CUSTOM)
    deployment = to_raw(desired_deployment(given, given.spec.predictor, pods(given), "hpa"))
    quarter = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert deployment["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": quarter}
    given = isvc({**CUSTOM, "deploymentStrategy": {"type": "Recreate"}})
    deployment = to_raw(desired_deployment(given, given.spec.predictor, pods(given), "hpa"))
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_further_ports_of_the_container_are_ports_of_the_service():
    ports = [
        {"containerPort": 8080},
        {"containerPort": 9000, "name": "grpc"},
        {"containerPort": 9999, "protocol": "UDP"},
    ]
    given = isvc({"containers": [{**CUSTOM["containers"][0], "ports": ports}]})
    service = to_raw(desired_service(given, pods(given)))
    assert list(service["spec"]["ports"])[1:] == [
        {"name": "grpc", "port": 9000, "targetPort": 9000, "protocol": "TCP"},
        {"name": "port-9999", "port": 9999, "targetPort": 9999, "protocol": "UDP"},
    ]


def a_pod(ready: str | None) -> Pod:
    """None: nothing is known of it yet."""
    conditions = () if ready is None else (Condition(type="Ready", status=ready),)
    meta = ObjectMeta(name="a", namespace="default", uid="a")
    return Pod(metadata=meta, status=PodStatus(conditions=conditions))


@pytest.mark.parametrize(
    ("ready", "active"), [(None, ""), ("False", ""), ("True", "Loaded")], ids=["young", "no", "yes"]
)
def test_a_model_that_served_before_is_active_while_a_pod_of_it_is_ready(ready, active):
    served = ModelStatus(states=ModelStates(active_model_state="Loaded"))
    predictor = Condition(type="PredictorReady", status="False")
    found = model_status(predictor, [a_pod(ready)], served, time="now")
    assert found.states is not None
    assert found.states.active_model_state == active
    assert model_status(predictor, [a_pod(ready)], None, time="now").states == ModelStates(
        active_model_state="", target_model_state="Loading"
    )


def test_the_size_stays_its_scalers_unless_the_class_is_none():
    given = isvc({**CUSTOM, "minReplicas": 2})
    wanted = desired_deployment(given, given.spec.predictor, pods(given), "external")
    scaled = desired_deployment(given, given.spec.predictor, pods(given), "none")
    assert scaled.spec.replicas == 2
    assert carry_deployment(scaled, wanted).spec.replicas == 2
    assert carry_deployment(wanted, scaled).spec.replicas == 2


def test_carrying_twice_changes_nothing():
    given = isvc(CUSTOM)
    wanted = desired_deployment(given, given.spec.predictor, pods(given), "hpa")
    once = carry_deployment(wanted, wanted)
    assert carry_deployment(once, wanted) == once


@pytest.mark.parametrize(
    ("fields", "low", "high", "target"),
    [
        ({}, 1, 1, 80),
        ({"minReplicas": 0, "maxReplicas": 10, "scaleTarget": 10}, 1, 10, 10),
        ({"minReplicas": 3}, 3, 3, 80),
    ],
)
def test_the_hpa_of_a_component(fields, low, high, target):
    given = isvc({**CUSTOM, **fields})
    spec = to_raw(desired_hpa(given, given.spec.predictor, "predictor"))["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (low, high)
    assert spec["scaleTargetRef"]["name"] == "iris-predictor"
    assert spec["metrics"][0]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": target},
    }


def test_the_hpa_of_a_component_has_the_default_rates_and_not_the_rules_of_one_without():
    given = isvc(CUSTOM)
    made = desired_hpa(given, given.spec.predictor, "predictor")
    assert made.spec.behavior is not None
    stored = default_autoscaler(made, None)
    assert stored.spec.behavior is not None
    assert stored.spec.behavior.scale_up is not None
    assert [p.value for p in stored.spec.behavior.scale_up.policies or ()] == [4, 100]
    assert carry_hpa(stored, made) is stored


def test_the_annotations_of_before_say_metric_and_target_unless_a_field_does():
    key = "serving.kserve.io/targetUtilizationPercentage"
    annotations = {"serving.kserve.io/metric": "memory", key: "30"}

    def resource(fields: dict[str, Any]) -> dict[str, Any]:
        given = isvc({**CUSTOM, **fields}, metadata={"annotations": annotations})
        raw = to_raw(desired_hpa(given, given.spec.predictor, "predictor"))
        found: dict[str, Any] = raw["spec"]["metrics"][0]["resource"]
        return found

    assert resource({})["name"] == "memory"
    assert resource({})["target"]["averageUtilization"] == 30
    by_field = resource({"scaleMetric": "cpu", "scaleTarget": 60})
    assert (by_field["name"], by_field["target"]["averageUtilization"]) == ("cpu", 60)


def test_a_cpu_metric_without_a_figure_is_at_eighty_percent():
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]
    given = isvc({**CUSTOM, "autoScaling": {"metrics": metrics}})
    made = desired_hpa(given, given.spec.predictor, "predictor").spec.metrics[0].resource
    assert made is not None
    assert made.target.average_utilization == 80


def test_keda_shares_a_value_among_replicas_whatever_type_the_target_says():
    server = {"backend": "prometheus", "serverAddress": "http://p:9090", "query": "running"}
    external = {"metric": server, "target": {"type": "Value", "value": "2"}}
    given = isvc(
        {**CUSTOM, "autoScaling": {"metrics": [{"type": "External", "external": external}]}},
        metadata={"annotations": {"serving.kserve.io/autoscalerClass": "keda"}},
    )
    [trigger] = desired_scaled_object(given, given.spec.predictor, "predictor").spec.triggers
    assert (trigger.metric_type, trigger.metadata["threshold"]) == (None, "2")


def test_with_keda_and_no_metric_the_scale_target_is_of_cpu():
    given = isvc({**CUSTOM, "scaleTarget": 35})
    [trigger] = desired_scaled_object(given, given.spec.predictor, "predictor").spec.triggers
    assert (trigger.type, trigger.metadata) == ("cpu", {"value": "35"})


def test_kedas_annotations_are_handed_on_and_taken_back_and_others_stay():
    paused = "autoscaling.keda.sh/paused"
    told = isvc(CUSTOM, metadata={"annotations": {paused: "true"}})
    silent = isvc(CUSTOM)
    made = desired_scaled_object(told, told.spec.predictor, "predictor")
    assert made.metadata.annotations[paused] == "true"
    assert paused not in pods(told).annotations
    without = desired_scaled_object(silent, silent.spec.predictor, "predictor")
    assert paused not in carry_scaled_object(made, without).metadata.annotations
    by_hand = replace(without, metadata=replace(without.metadata, annotations={paused: "true"}))
    assert carry_scaled_object(by_hand, without).metadata.annotations == {paused: "true"}


def test_the_ingress_has_the_services_host_and_each_components():
    given = isvc(CUSTOM, transformer={"containers": [{"image": "t:1"}]})
    rules = to_raw(desired_ingress(given, InferenceConfig()))["spec"]["rules"]
    backends = {
        rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"] for rule in rules
    }
    assert backends == {
        "iris-default.example.com": "iris-transformer",
        "iris-predictor-default.example.com": "iris-predictor",
        "iris-transformer-default.example.com": "iris-transformer",
    }


# --- Knative mode


def test_knative_mode_turns_scaling_fields_into_annotations():
    given = isvc({**CUSTOM, "maxReplicas": 3, "scaleTarget": 5, "timeout": 12}, "Knative")
    ksvc = desired_ksvc(given, given.spec.predictor, pods(given), ComponentStatus())
    assert ksvc.metadata.name == "iris-predictor"
    template = ksvc.spec.template
    assert template.metadata is not None
    assert template.metadata.annotations == {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/min-scale": "1",
        "autoscaling.knative.dev/max-scale": "3",
        "autoscaling.knative.dev/target": "5",
    }
    assert (template.spec.timeout_seconds, template.spec.response_start_timeout_seconds) == (12, 12)


def split(predictor: dict[str, Any], rolled_out_last: str | None) -> list[tuple[Any, Any, Any]]:
    given = isvc({**CUSTOM, **predictor}, "Knative")
    was = ComponentStatus(latest_rolledout_revision=rolled_out_last)
    return [
        (t.revision_name or "latest", t.percent, t.tag)
        for t in traffic(given.spec.predictor, given, was)
    ]


def test_a_canary_takes_its_share_from_the_revision_rolled_out_last():
    assert split({}, "r-1") == [("latest", 100, None)]
    assert split({"canaryTrafficPercent": 10}, None) == [("latest", 100, None)]
    assert split({"canaryTrafficPercent": 10}, "r-1") == [("latest", 10, None), ("r-1", 90, "prev")]
    assert split({"canaryTrafficPercent": 100}, "r-1") == [("latest", 100, None)]
    assert split({"canaryTrafficPercent": 0}, "r-1") == [("latest", 0, None), ("r-1", 100, "prev")]


def after(was: ComponentStatus, latest: str, **shares: int) -> ComponentStatus:
    targets = [
        TrafficTarget(revision_name=name, percent=share, latest_revision=name == latest)
        for name, share in shares.items()
    ]
    return rolled_out(was, targets, Latest(latest, latest))


def test_a_revision_is_rolled_out_once_it_has_all_the_traffic():
    first = after(ComponentStatus(), "a", a=100)
    assert first.latest_rolledout_revision == "a"
    canary = after(first, "b", b=10, a=90)
    assert canary.latest_rolledout_revision == "a"
    promoted = after(canary, "b", b=100)
    assert promoted.latest_rolledout_revision == "b"
    assert promoted.previous_rolledout_revision == "a"


def test_taking_traffic_back_from_a_rolled_out_revision_rolls_it_back():
    promoted = ComponentStatus(latest_rolledout_revision="b", previous_rolledout_revision="a")
    targets = [
        TrafficTarget(revision_name="b", percent=10, latest_revision=True),
        TrafficTarget(revision_name="b", percent=90, latest_revision=False),
    ]
    back = rolled_out(promoted, targets, Latest("b", "b"))
    assert back.latest_rolledout_revision == "a"


# --- settings


def test_the_config_map_says_mode_and_hosts():
    config = parse_inference_config(
        {
            "deploy": '{"defaultDeploymentMode": "Serverless"}',
            "ingress": '{"ingressDomain": "my.org", "domainTemplate": "{{.Name}}.{{.IngressDomain}}"}',
        }
    )
    assert config.default_mode == "Knative"
    assert config.host("iris", "default") == "iris.my.org"


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("deploy", "{", 'failed to parse "deploy"'),
        ("deploy", '{"defaultDeploymentMode": "ModelMesh"}', "no deployment mode here"),
        ("ingress", '{"domainTemplate": "{{.Nope}}"}', "domainTemplate"),
    ],
)
def test_a_config_map_that_cannot_be_read_is_refused(key, text, says):
    with pytest.raises(BadConfig, match=says):
        parse_inference_config({key: text})
