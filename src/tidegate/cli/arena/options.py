"""Arena's flags as a table, and the values that were given as one frozen thing.

A flag is one line: its field, its spellings (old ones too), what it takes, who has it. Flags that
Arena knows and that can't be done here are refused by name (`REFUSED`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Takes = Literal["text", "int", "bool", "list", "pairs", "quantity"]
ALL = ("tensorflow", "triton", "custom", "kserve")
DEPLOYED = ("tensorflow", "triton", "custom")


@dataclass(frozen=True, slots=True)
class Options:
    """None: the flag was not given. Lists keep the order of the command line."""

    name: str = ""
    namespace: str | None = None
    version: str | None = None
    image: str | None = None
    image_pull_policy: str | None = None
    image_pull_secret: tuple[str, ...] = ()
    gpus: int | None = None
    gpumemory: int | None = None
    gpucore: int | None = None
    device: tuple[str, ...] = ()
    cpu: str | None = None
    memory: str | None = None
    replicas: int | None = None
    share_memory: str | None = None
    env: tuple[str, ...] = ()
    env_from_secret: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    data_subpath_expr: tuple[str, ...] = ()
    data_dir: tuple[str, ...] = ()
    temp_dir: tuple[str, ...] = ()
    temp_dir_subpath_expr: tuple[str, ...] = ()
    config_file: tuple[str, ...] = ()
    annotation: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    toleration: tuple[str, ...] = ()
    selector: tuple[str, ...] = ()
    shell: str | None = None
    command: str | None = None
    words: tuple[str, ...] = ()  # what stands at the end of the line: the command
    model_name: str | None = None
    model_version: str | None = None
    enable_istio: bool = False
    expose_service: bool = False
    # tensorflow, triton, custom
    port: int | None = None
    restful_port: int | None = None
    metrics_port: int | None = None
    http_port: int | None = None
    grpc_port: int | None = None
    model_path: str | None = None
    model_config_file: str | None = None
    monitoring_config_file: str | None = None
    version_policy: str | None = None
    model_repository: str | None = None
    allow_metrics: bool = False
    load_model: tuple[str, ...] = ()
    extend_command: str | None = None
    max_surge: str | None = None
    max_unavailable: str | None = None
    liveness_probe_action: str | None = None
    liveness_probe_action_option: tuple[str, ...] = ()
    liveness_probe_option: tuple[str, ...] = ()
    readiness_probe_action: str | None = None
    readiness_probe_action_option: tuple[str, ...] = ()
    readiness_probe_option: tuple[str, ...] = ()
    startup_probe_action: str | None = None
    startup_probe_action_option: tuple[str, ...] = ()
    startup_probe_option: tuple[str, ...] = ()
    # kserve
    model_format: str | None = None
    runtime: str | None = None
    runtime_version: str | None = None
    storage_uri: str | None = None
    protocol_version: str | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_target: int | None = None
    scale_metric: str | None = None
    container_concurrency: int | None = None
    timeout: int | None = None
    canary_traffic_percent: int | None = None
    security_context: tuple[str, ...] = ()
    affinity_policy: str | None = None
    affinity_constraint: str | None = None
    enable_prometheus: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    field: str
    takes: Takes
    help: str
    of: tuple[str, ...] = ALL
    also: tuple[str, ...] = ()  # further spellings, `-e` or an old one

    @property
    def names(self) -> tuple[str, ...]:
        return (f"--{self.field.replace('_', '-')}", *self.also)


_PROBE_PARTS: tuple[tuple[str, Takes, str], ...] = (
    ("action", "text", "httpGet, exec, grpc or tcpSocket"),
    ("action_option", "list", "a line of it, such as 'path: /healthz'"),
    ("option", "list", "such as 'periodSeconds: 5'"),
)
_PROBES = tuple(
    Flag(f"{probe}_probe_{part}", takes, f"{probe} probe: {what}", ("custom",))
    for probe in ("liveness", "readiness", "startup")
    for part, takes, what in _PROBE_PARTS
)
FLAGS: tuple[Flag, ...] = (
    Flag("name", "text", "the job's name", also=("--servingName",)),
    Flag("namespace", "text", "where it goes (default)", also=("-n",)),
    Flag(
        "version",
        "text",
        "the job's version (the time as YYYYMMDDHHMM)",
        DEPLOYED,
        also=("--servingVersion",),
    ),
    Flag("image", "text", "the image to run"),
    Flag("image_pull_policy", "text", "IfNotPresent, Always or Never", also=("--imagePullPolicy",)),
    Flag("image_pull_secret", "list", "a Secret of a registry"),
    Flag("gpus", "int", "whole GPUs (nvidia.com/gpu)"),
    Flag("gpumemory", "int", "GiB of one shared GPU (aliyun.com/gpu-mem)"),
    Flag("gpucore", "int", "percent of one shared GPU (aliyun.com/gpu-core.percentage)"),
    Flag("device", "pairs", "other resources, as name=count", ("custom", "kserve")),
    Flag("cpu", "quantity", "CPU"),
    Flag("memory", "quantity", "memory"),
    Flag("replicas", "int", "how many pods", DEPLOYED),
    Flag("share_memory", "quantity", "size of /dev/shm"),
    Flag("env", "pairs", "environment, as name=value", also=("-e",)),
    Flag("env_from_secret", "pairs", "environment from a Secret, as name=secret"),
    Flag("data", "list", "a claim and where it is mounted, as claim:/path", also=("-d",)),
    Flag("data_subpath_expr", "list", "subPathExpr of a claim, as claim:expression"),
    Flag("data_dir", "list", "a folder of the machine, as /here:/there"),
    Flag("temp_dir", "list", "an empty folder, as name:/path"),
    Flag("temp_dir_subpath_expr", "list", "subPathExpr of an empty folder, as name:expression"),
    Flag("config_file", "list", "a file of this machine in the container, as file[:/folder/name]"),
    Flag("annotation", "pairs", "an annotation, as key=value", also=("-a",)),
    Flag("label", "pairs", "a label, as key=value", also=("-l",)),
    Flag("toleration", "list", "a taint to tolerate, as key=value:effect,operator, or all"),
    Flag("selector", "pairs", "a label of nodes, as key=value"),
    Flag("shell", "text", "the shell that runs the command (sh)"),
    Flag("command", "text", "the command, instead of the words at the end of the line"),
    Flag("model_name", "text", "the model's name", also=("--modelName",)),
    Flag("model_version", "text", "the model's version (a label)"),
    Flag(
        "enable_istio",
        "bool",
        "one Service for all versions of the job, and its routes",
        DEPLOYED,
        also=("--enableIstio",),
    ),
    Flag(
        "expose_service",
        "bool",
        "with --enable-istio: a Gateway for them",
        DEPLOYED,
        also=("--exposeService",),
    ),
    Flag("port", "int", "port (tensorflow: gRPC, 8500)", ("tensorflow", "custom", "kserve")),
    Flag(
        "restful_port",
        "int",
        "REST port (tensorflow: 8501)",
        ("tensorflow", "custom"),
        also=("--restfulPort",),
    ),
    Flag("metrics_port", "int", "port of the metrics page", ("triton", "custom", "kserve")),
    Flag(
        "model_path",
        "text",
        "folder of the model's versions",
        ("tensorflow",),
        also=("--modelPath",),
    ),
    Flag(
        "model_config_file",
        "text",
        "instead of name and path",
        ("tensorflow",),
        also=("--modelConfigFile",),
    ),
    Flag("monitoring_config_file", "text", "TF Serving's monitoring settings", ("tensorflow",)),
    Flag(
        "version_policy",
        "text",
        "latest, latest:N, specific:N, all; checked only, as in Arena",
        ("tensorflow",),
        also=("--versionPolicy",),
    ),
    Flag("http_port", "int", "HTTP port (8000)", ("triton",)),
    Flag("grpc_port", "int", "gRPC port (8001)", ("triton",)),
    Flag("model_repository", "text", "folder of models", ("triton",)),
    Flag("allow_metrics", "bool", "open the metrics port", ("triton",)),
    Flag("load_model", "list", "load this model at start", ("triton",)),
    Flag("extend_command", "text", "appended to tritonserver's command", ("triton",)),
    Flag("max_surge", "text", "of a rolling update", ("custom",)),
    Flag("max_unavailable", "text", "of a rolling update", ("custom",)),
    *_PROBES,
    Flag("model_format", "text", "name[:version]; without it the image serves", ("kserve",)),
    Flag("runtime", "text", "a ServingRuntime", ("kserve",)),
    Flag("runtime_version", "text", "the tag of its image", ("kserve",)),
    Flag("storage_uri", "text", "where the model is", ("kserve",)),
    Flag("protocol_version", "text", "v1, v2, ...", ("kserve",)),
    Flag("min_replicas", "int", "fewest pods (1)", ("kserve",)),
    Flag("max_replicas", "int", "most pods", ("kserve",)),
    Flag("scale_target", "int", "target of the metric", ("kserve",)),
    Flag("scale_metric", "text", "cpu, memory, rps, concurrency, or a pod metric", ("kserve",)),
    Flag("container_concurrency", "int", "requests in one pod", ("kserve",)),
    Flag("timeout", "int", "seconds for one request", ("kserve",)),
    Flag("canary_traffic_percent", "int", "share of the newest revision", ("kserve",)),
    Flag("security_context", "pairs", "securityContext fields, as key=value", ("kserve",)),
    Flag("affinity_policy", "text", "spread or binpack over a cluster's nodes (none)", ("kserve",)),
    Flag("affinity_constraint", "text", "preferred or required (preferred)", ("kserve",)),
    Flag("enable_prometheus", "bool", "annotate for scraping, add a metrics Service", ("kserve",)),
)
#: Known to Arena, not done here: flag -> why and what else.
REFUSED: dict[str, str] = {
    "--backend": "name the server's image and command yourself",
}


#: The same for InferenceServices alone.
REFUSED_BY_KSERVE: dict[str, str] = {
    "--enable-istio": "an InferenceService has its own split: --canary-traffic-percent, in Knative mode",
    "--expose-service": "the gateway exposes every Service: see `tidegate url`",
}


def flags_of(type_: str) -> tuple[Flag, ...]:
    return tuple(flag for flag in FLAGS if type_ in flag.of)
