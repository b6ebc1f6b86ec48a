"""The three servers whose jobs are Deployments: TF Serving, Triton, and any image; what each chart writes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.cli.arena.options import Options
from tidegate.cli.arena.render_pods import Json, command
from tidegate.cli.errors import Usage

_TF_IMAGE = "tensorflow/serving:latest"
_TRITON_IMAGE = "nvcr.io/nvidia/tritonserver:24.01-py3"
_MODEL_NAME = re.compile(r"[A-Za-z0-9_-]+")
_POLICY = re.compile(r"latest(:\d+)?|specific:\d+|all")
_FIELD_ENV = {
    "ARENA_NODE_NAME": "spec.nodeName",
    "ARENA_POD_NAMESPACE": "metadata.namespace",
    "ARENA_POD_NAME": "metadata.name",
    "ARENA_POD_IP": "status.podIP",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between the charts. `ports`: (name in the Service, name in the pod, number)."""

    container: str
    image: str
    ports: tuple[tuple[str, str, int], ...]
    command: list[str]
    probes: Json
    env: list[Json]
    service: str
    on_deployment: bool  # annotations go to the Deployment too


# --- TF Serving


def _tensorflow(options: Options) -> Shape:
    grpc = 8500 if options.port is None else options.port
    rest = 8501 if options.restful_port is None else options.restful_port
    if not grpc and not rest:
        raise Usage("all  ports are 0,invalid configuration")
    said = command(options, _tensorflow_command(options, grpc, rest))
    return Shape(
        container="serving",
        image=options.image or _TF_IMAGE,
        ports=tuple(
            port
            for port in (("grpc-serving", "serving", grpc), ("http-serving", "http-serving", rest))
            if port[2]
        ),
        command=said,
        probes={
            "livenessProbe": {
                "tcpSocket": {"port": 8500},
                "initialDelaySeconds": 30,
                "periodSeconds": 5,
                "failureThreshold": 30,
            }
        },
        env=[
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for name, path in _FIELD_ENV.items()
        ],
        service="full",
        on_deployment=True,
    )


def _tensorflow_command(options: Options, grpc: int, rest: int) -> str:
    if options.version_policy and not _POLICY.fullmatch(options.version_policy):
        raise Usage(
            f"--version-policy={options.version_policy}: latest, latest:N, specific:N or all"
        )
    words = ["/usr/bin/tensorflow_model_server", f"--port={grpc}", f"--rest_api_port={rest}"]
    if options.model_config_file:
        words.append(f"--model_config_file={options.model_config_file}")
    else:
        if not options.model_name:
            raise Usage("model name cannot be blank")
        if not _MODEL_NAME.fullmatch(options.model_name):
            raise Usage("model name should be numbers, letters, dashes, and underscores ONLY")
        if not options.model_path:
            raise Usage("modelPath should be specified if no modelConfigFile is specified")
        words += [f"--model_name={options.model_name}", f"--model_base_path={options.model_path}"]
    if options.monitoring_config_file:
        words.append(f"--monitoring_config_file={options.monitoring_config_file}")
    if options.gpumemory:
        share = "$(ALIYUN_COM_GPU_MEM_CONTAINER)/$(ALIYUN_COM_GPU_MEM_DEV)"
        words.append(f"--per_process_gpu_memory_fraction=$(awk 'BEGIN{{print {share}}}')")
    return " ".join(words)


# --- Triton


def _triton(options: Options) -> Shape:
    http = 8000 if options.http_port is None else options.http_port
    grpc = 8001 if options.grpc_port is None else options.grpc_port
    metrics = 8002 if options.metrics_port is None else options.metrics_port
    if not options.model_repository and not (options.command or options.words):
        raise Usage("--model-repository is missing: the folder of models")
    ports = [("http-serving", "http-serving", http), ("grpc-serving", "grpc-serving", grpc)]
    words = [
        "tritonserver",
        f"--model-repository={options.model_repository}",
        f"--http-port={http}",
        f"--grpc-port={grpc}",
    ]
    if options.allow_metrics:
        ports.append(("http-metrics", "http-metrics", metrics))
        words += ["--allow-metrics=true", f"--metrics-port={metrics}"]
    if options.load_model:
        words.append("--model-control-mode=explicit")
        words += [f"--load-model={name}" for name in options.load_model]
    if options.extend_command:
        words.append(options.extend_command)
    return Shape(
        container="tritonserver",
        image=options.image or _TRITON_IMAGE,
        ports=tuple(ports),
        command=command(options, " ".join(words)),
        probes={
            f"{kind}Probe": {
                "httpGet": {"path": f"/v2/health/{path}", "port": http},
                "initialDelaySeconds": 100,
                "periodSeconds": 5,
                "failureThreshold": 30,
            }
            for kind, path in (("liveness", "live"), ("readiness", "ready"))
        },
        env=[],
        service="full",
        on_deployment=True,
    )


# --- any image


def _custom(options: Options) -> Shape:
    if not options.image:
        raise Usage("--image is missing: which image is to be run?")
    ports = tuple(
        (service_name, pod_name, number)
        for service_name, pod_name, number in (
            ("grpc-serving", "grpc", options.port or 0),
            ("http-serving", "restful", options.restful_port or 0),
            ("http-metrics", "metrics", options.metrics_port or 0),
        )
        if number
    )
    if not ports:
        raise Usage("all  ports are 0,invalid configuration")
    return Shape(
        container="custom-serving",
        image=options.image,
        ports=ports,
        command=command(options),
        probes=_probes(options),
        env=[],
        service="release",
        on_deployment=False,
    )


def _probes(options: Options) -> Json:
    found: Json = {}
    for kind in ("liveness", "readiness", "startup"):
        action = getattr(options, f"{kind}_probe_action")
        of_action = getattr(options, f"{kind}_probe_action_option")
        of_probe = getattr(options, f"{kind}_probe_option")
        if not action:
            if of_action or of_probe:
                given = "action-option" if of_action else "option"
                raise Usage(f"--{kind}-probe-{given}: only together with --{kind}-probe-action")
            continue
        if action not in ("httpGet", "exec", "grpc", "tcpSocket"):
            raise Usage(f"--{kind}-probe-action={action}: httpGet, exec, grpc or tcpSocket")
        flag = f"--{kind}-probe"
        found[f"{kind}Probe"] = {action: _lines(of_action, f"{flag}-action-option")} | _lines(
            of_probe, f"{flag}-option"
        )
    return found


def _lines(texts: tuple[str, ...], flag: str) -> Json:
    """YAML lines such as `path: /healthz`, together."""
    try:
        read = YAML(typ="safe", pure=True).load("\n".join(texts)) if texts else {}
    except YAMLError:
        read = None
    if not isinstance(read, dict):
        raise Usage(f"{flag}: write lines such as 'path: /healthz'")
    return read


SHAPES = {"tensorflow": _tensorflow, "triton": _triton, "custom": _custom}
