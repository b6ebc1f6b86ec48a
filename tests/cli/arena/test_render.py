"""What `arena serve ...` makes of its flags: the documents of Arena's charts."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

import pytest

from tidegate.cli.arena.config_files import read_config_files
from tidegate.cli.arena.options import FLAGS, Options
from tidegate.cli.arena.parse import EXAMPLES, parse_submission
from tidegate.cli.arena.render_istio import (
    check_istio,
    first_version,
    read_weights,
    split,
    weights_of,
)
from tidegate.cli.arena.render_pods import full_name
from tidegate.cli.arena.submit import as_text, render
from tidegate.cli.arena.types import TYPES, type_named
from tidegate.cli.errors import Usage


def rendered(line: str) -> list[dict[str, Any]]:
    """The documents of a command line, without `arena serve`."""
    word, *rest = shlex.split(line)
    type_ = type_named(word)
    options, _ = parse_submission(type_, "arena", rest)
    if type_.kind == "Deployment" and not options.version:
        rest.append("--version=202207181536")
        options, _ = parse_submission(type_, "arena", rest)
    return render(type_, options, options.namespace or "default")


IRIS = """kserve --name=sklearn-iris --image=kserve-sklearn-server:v0.12.0 --cpu=1 --memory=200Mi
    --scale-metric=cpu --scale-target=10 --min-replicas=1 --max-replicas=10
    "python -m sklearnserver --model_name=sklearn-iris --model_dir=/models --http_port=8080" """
BERT = """tensorflow --name=bert-tfserving --model-name=chnsenticorp --gpus=1
    --image=tensorflow/serving:1.15.0-gpu --data=model-pvc:/data --model-path=/data/models
    --version-policy=specific:1623831335 --annotation=alibabacloud.com/burst-resource=eci_only"""


def test_kserve_with_an_image_is_a_custom_predictor_that_scales_on_cpu():
    (isvc,) = rendered(IRIS)
    assert isvc["metadata"]["labels"]["servingType"] == "kserve"
    predictor = isvc["spec"]["predictor"]
    (container,) = predictor.pop("containers")
    assert predictor == {
        "minReplicas": 1,
        "maxReplicas": 10,
        "scaleTarget": 10,
        "scaleMetric": "cpu",
    }
    assert container["name"] == "kserve-container"
    assert container["command"][:2] == ["sh", "-c"]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "200Mi"}
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert "ports" not in container
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"} in container["env"]


def test_another_metric_makes_an_hpa_of_its_own():
    isvc, hpa = rendered(
        "kserve --name=qwen --image=vllm:1 --gpus=1 --scale-metric=DCGM_CUSTOM_PROCESS_SM_UTIL "
        "--scale-target=50 --min-replicas=1 --max-replicas=2 serve"
    )
    annotations = isvc["metadata"]["annotations"]
    assert annotations == {"serving.kserve.io/autoscalerClass": "external"}
    assert "minReplicas" not in isvc["spec"]["predictor"]
    assert hpa["metadata"]["name"] == "qwen-hpa"
    assert hpa["spec"]["scaleTargetRef"]["name"] == "qwen-predictor"
    (metric,) = hpa["spec"]["metrics"]
    assert metric["pods"]["target"] == {"type": "Utilization", "averageValue": 50}


def test_a_model_format_makes_a_model():
    (isvc,) = rendered(
        "kserve --name=m --model-format=sklearn:1 --storage-uri=pvc://models/iris --runtime=r"
    )
    model = isvc["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": "sklearn", "version": "1"}
    assert model["storageUri"] == "pvc://models/iris"
    assert model["runtime"] == "r"
    assert "image" not in model


def test_tensorflow_is_a_service_and_a_deployment():
    service, deployment = rendered(BERT)
    name = "bert-tfserving-202207181536-tensorflow-serving"
    assert service["metadata"]["name"] == deployment["metadata"]["name"] == name
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert ports == {"grpc-serving": 8500, "http-serving": 8501}
    annotations = {"alibabacloud.com/burst-resource": "eci_only"}
    template = deployment["spec"]["template"]
    assert deployment["metadata"]["annotations"] == annotations
    assert template["metadata"]["annotations"] == annotations
    (container,) = template["spec"]["containers"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert container["command"] == [
        "sh",
        "-c",
        "/usr/bin/tensorflow_model_server --port=8500 --rest_api_port=8501 "
        "--model_name=chnsenticorp --model_base_path=/data/models",
    ]
    assert container["livenessProbe"]["tcpSocket"] == {"port": 8500}
    assert container["volumeMounts"] == [{"name": "model-pvc", "mountPath": "/data"}]
    selected = deployment["spec"]["selector"]["matchLabels"]
    assert selected.items() <= template["metadata"]["labels"].items()


def test_custom_has_its_service_under_the_release():
    service, deployment = rendered(
        "custom --name=c --version=1 --image=python:3 --restful-port=8000 "
        "--liveness-probe-action=httpGet --liveness-probe-action-option='path: /healthz' "
        "--liveness-probe-action-option='port: 8000' --liveness-probe-option='periodSeconds: 5' "
        "-a note=x python server.py"
    )
    assert service["metadata"]["name"] == "c-1"
    assert deployment["metadata"]["name"] == "c-1-custom-serving"
    assert "annotations" not in deployment["metadata"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/healthz", "port": 8000},
        "periodSeconds": 5,
    }
    assert container["command"][2] == "python server.py"


@pytest.mark.parametrize(
    "flag", ["--liveness-probe-action-option='path: /healthz'", "--startup-probe-option='x: 1'"]
)
def test_options_of_a_probe_that_is_not_asked_for_are_refused(flag):
    with pytest.raises(Usage, match=r"only together with --(liveness|startup)-probe-action"):
        rendered(f"custom --name=c --version=1 --image=python:3 --port=1 {flag}")


def test_triton_serves_a_repository():
    _, deployment = rendered("triton --name=t --model-repository=/models --allow-metrics")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["command"][2].startswith("tritonserver --model-repository=/models")
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8000}
    assert [p["containerPort"] for p in container["ports"]] == [8000, 8001, 8002]


@pytest.mark.parametrize(
    ("release", "chart", "name"),
    [
        ("a-1", "tensorflow-serving", "a-1-tensorflow-serving"),
        ("a-custom-serving-1", "custom-serving", "a-custom-serving-1"),
        ("x" * 70, "kserve", "x" * 63),
    ],
)
def test_objects_are_named_by_helms_rule(release, chart, name):
    assert full_name(release, chart) == name


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("kserve --name=x", "model format and image can not be empty at the same time"),
        ("kserve --image=x", "--name is missing"),
        ("kserve --name=x --image=i --runtime=r", "--runtime: only together with --model-format"),
        ("kserve --name=x --image=i --gpucore=7", "GPUCore should be the multiple of 5"),
        ("kserve --name=x --image=i --gpus=1 --gpumemory=3", "--gpus and --gpumemory"),
        ("kserve --name=x --image=i --device=nvidia.com/gpu=2", "please use '--gpus 2'"),
        ("kserve --name=x --image=i --cpu=lots", "--cpu is invalid"),
        ("kserve --name=x --image=i -e A", "write it as key=value"),
        ("kserve --name=x --image=i -d models", "should like data_name:/data0"),
        ("kserve --name=x --image=i -d ab:/a -d ab:/b", "your PVC name: ab is repeated"),
        ("kserve --name=x --image=i --toleration=a", "write it as key=value:effect,operator"),
        ("tensorflow --name=x --model-path=/m", "model name cannot be blank"),
        ("tensorflow --name=x --model-name=a/b --model-path=/m", "numbers, letters, dashes"),
        ("tensorflow --name=x --model-name=m", "modelPath should be specified"),
        (
            "tensorflow --name=x --model-name=m --model-path=/m --port=0 --restful-port=0",
            "all  ports are 0,invalid configuration",
        ),
        (
            "tensorflow --name=x --model-name=m --model-path=/m --version-policy=newest",
            "latest, latest:N, specific:N or all",
        ),
        (
            "kserve --name=x --image=i --scale-metric=gpu_use --scale-target=5 "
            "-a serving.kserve.io/autoscalerClass=none",
            "needs the autoscaler class external",
        ),
        (
            "kserve --name=x --image=i --scale-metric=gpu_use --scale-target=5 --min-replicas=3 "
            "--max-replicas=2",
            "--min-replicas=3 is more than --max-replicas=2",
        ),
        ("kserve --name=x --image=i --metrics-port=1", "only together with --enable-prometheus"),
        ("kserve --name=x --image=i -o json", "-o json: only together with --dry-run"),
        (
            "custom --name=x --image=i --port=1 --liveness-probe-action=httpGet "
            "--liveness-probe-action-option='path: ['",
            "--liveness-probe-action-option: ",
        ),
        ("custom --name=x --image=i", "all  ports are 0,invalid configuration"),
        ("kserve --name=x --image=i --enable-istio", "--canary-traffic-percent"),
        (
            "custom --name=x --image=i --port=1 --expose-service",
            "only together with --enable-istio",
        ),
        ("custom --name=x --image=i --port=1 --no-such-flag=1", "--no-such-flag"),
        ("custom --name=x --image=python:3 --port=1 python -m http.server", "write it in quotes"),
        ("seldon --name=x", "SeldonDeployments are not served here"),
    ],
)
def test_what_contradicts_itself_or_is_not_served_is_refused(line, says):
    with pytest.raises(Usage) as refused:
        rendered(line)
    assert says in str(refused.value)


def test_old_spellings_and_short_ones_are_known():
    service, _ = rendered("tensorflow --name=x --model-name=m --model-path=/m --restfulPort 9000")
    assert service["spec"]["ports"][1]["port"] == 9000
    (isvc,) = rendered("kserve --name=x --image=i -n prod -l team=a")
    assert isvc["metadata"]["namespace"] == "prod"
    assert isvc["metadata"]["labels"]["team"] == "a"


def test_spellings_that_arena_has_given_up_still_work():
    service, _ = rendered(
        "tensorflow --servingName x --servingVersion 7 --modelName m --modelPath /m "
        "--versionPolicy latest"
    )
    assert service["metadata"]["name"] == "x-7-tensorflow-serving"


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.name)
def test_the_example_of_each_help_is_a_whole_submission(type_):
    assert rendered(f"{type_.name} {EXAMPLES[type_.name]}")


def test_every_option_has_its_flag():
    assert {f.name for f in fields(Options)} == {flag.field for flag in FLAGS} | {"words"}


def test_documents_are_printed_as_yaml_or_as_a_list():
    documents = rendered(BERT)
    assert as_text(documents, "yaml").count("apiVersion: ") == 2
    assert '"kind": "List"' in as_text(documents, "json")


def by_kind(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in documents}


def test_with_istio_all_versions_share_a_service_and_routes_choose_the_version():
    made = by_kind(
        rendered("custom --name=bert --version=1 --image=i --restful-port=80 --enable-istio run")
    )
    assert list(made) == ["Service", "Deployment", "VirtualService", "DestinationRule"]
    assert made["Service"]["metadata"]["name"] == "bert"
    assert made["Service"]["spec"]["selector"] == {"app": "custom-serving", "serviceName": "bert"}
    labels = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert made["Service"]["spec"]["selector"].items() <= labels.items()
    (subset,) = made["DestinationRule"]["spec"]["subsets"]
    assert subset == {"name": "subset-1", "labels": {"servingVersion": "1"}}
    assert subset["labels"].items() <= labels.items()
    assert made["VirtualService"]["spec"] == {
        "hosts": ["bert"],
        "http": [{"route": [{"destination": {"host": "bert", "subset": "subset-1"}}]}],
    }


def test_a_service_that_is_exposed_gets_a_gateway():
    made = by_kind(
        rendered("custom --name=bert --image=i --port=80 --enable-istio --expose-service run")
    )
    assert made["Gateway"]["metadata"]["name"] == "bert-gateway"
    assert made["VirtualService"]["spec"]["gateways"] == ["bert-gateway", "mesh"]
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c", "run"]


def test_a_flag_without_a_value_leaves_the_word_after_it_to_the_command():
    (isvc, _) = rendered("kserve --name=x --image=i --enable-prometheus serve")
    assert isvc["spec"]["predictor"]["containers"][0]["command"] == ["sh", "-c", "serve"]
    assert len(rendered("kserve --name=x --image=i --enable-prometheus=false serve")) == 1


def test_a_split_is_arena_s_two_documents():
    rule, service = split("bert", "prod", read_weights(["1:80", "2:20"]))
    assert [subset["name"] for subset in rule["spec"]["subsets"]] == ["subset-1", "subset-2"]
    assert service["spec"] == {
        "hosts": ["*"],
        "gateways": ["bert-gateway"],
        "http": [
            {
                "match": [{"uri": {"prefix": "/"}}],
                "rewrite": {"uri": "/"},
                "route": [
                    {"destination": {"host": "bert", "subset": "subset-1"}, "weight": 80},
                    {"destination": {"host": "bert", "subset": "subset-2"}, "weight": 20},
                ],
            }
        ],
    }
    assert weights_of(service) == {"1": 80, "2": 20}
    assert weights_of(first_version("bert", "1", "prod", exposed=False)[0]) == {"1": 100}


@pytest.mark.parametrize(
    ("name", "version", "says"),
    [("x.y", "1", "--name should be numbers"), ("x", None, "--version must be specified")],
)
def test_istio_needs_a_plain_name_and_a_version_that_people_can_name(name, version, says):
    with pytest.raises(Usage, match=says):
        check_istio(Options(name=name, version=version, enable_istio=True))


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["1:80"], "total of all version weights is not equal to 100"),
        (["1:80", "1:20"], "the version 1 has duplicate weight"),
        (["1:x"], "weight must be int"),
        ([":100"], "should like version:weight"),
    ],
)
def test_weights_that_make_no_sense_are_refused_in_arena_s_words(texts, says):
    with pytest.raises(Usage, match=says):
        read_weights(texts)


def test_expressions_choose_a_part_of_what_is_mounted():
    (_, deployment) = rendered(
        "custom --name=x --image=i --port=1 -d models:/m --data-subpath-expr=models:$(POD) "
        "--temp-dir=tmp:/t --temp-dir-subpath-expr=tmp:$(POD)/t run"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [mount.get("subPathExpr") for mount in container["volumeMounts"]] == [
        "$(POD)",
        "$(POD)/t",
    ]
    with pytest.raises(Usage, match="nothing of that name is mounted"):
        rendered("custom --name=x --image=i --port=1 --data-subpath-expr=models:x run")


@pytest.mark.parametrize(
    ("flags", "where"),
    [
        ("--affinity-policy=spread", ("podAntiAffinity", "preferred")),
        (
            "--affinity-policy=binpack --affinity-constraint=required",
            ("podAffinity", "required"),
        ),
    ],
)
def test_affinity_is_of_the_job_s_own_pods_by_node(flags, where):
    (isvc,) = rendered(f"kserve --name=x --image=i {flags} run")
    kind, constraint = where
    (term,) = isvc["spec"]["predictor"]["affinity"][kind][
        f"{constraint}DuringSchedulingIgnoredDuringExecution"
    ]
    term = term.get("podAffinityTerm", term)
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchExpressions"][0]["values"] == ["x"]
    with pytest.raises(Usage, match="none, spread or binpack"):
        rendered("kserve --name=x --image=i --affinity-policy=pack run")


def test_config_files_are_mounted_from_a_map_for_each_folder(tmp_path):
    for name in ("a.conf", "b.conf"):
        (tmp_path / name).write_text(f"I am {name}")
    texts = [f"{tmp_path}/a.conf:/etc/x/a.conf", f"{tmp_path}/b.conf:/etc/x/c.conf"]
    files = read_config_files([*texts, f"{tmp_path}/a.conf"])
    options = Options(name="x", version="1", image="i", port=1)
    first, second, _, deployment = render(type_named("custom"), options, "default", files)
    assert first["data"] == {"a.conf": "I am a.conf", "c.conf": "I am b.conf"}
    assert second["data"] == {"a.conf": "I am a.conf"}
    pod = deployment["spec"]["template"]["spec"]
    assert [volume["configMap"]["name"] for volume in pod["volumes"]] == [
        first["metadata"]["name"],
        second["metadata"]["name"],
    ]
    mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    assert mounts == ["/etc/x", str(tmp_path)]
    with pytest.raises(Usage, match="can't be read"):
        read_config_files([f"{tmp_path}/none"])
    with pytest.raises(Usage, match="write it as"):
        read_config_files([f"{tmp_path}/a.conf:relative"])
