"""What the flags that all types share mean for a pod. Pure: options in, plain documents out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.cli.arena.options import Options
from tidegate.cli.arena.parse import mounts, pairs
from tidegate.cli.errors import Usage

Json = dict[str, Any]
GPU, GPU_MEMORY, GPU_CORE = "nvidia.com/gpu", "aliyun.com/gpu-mem", "aliyun.com/gpu-core.percentage"


def checked(options: Options) -> None:
    """Raises `Usage` for what no type accepts."""
    if not options.name:
        raise Usage("--name is missing: a serving job needs a name")
    for flag, value in (
        ("gpus", options.gpus),
        ("gpumemory", options.gpumemory),
        ("gpucore", options.gpucore),
        ("replicas", options.replicas),
    ):
        if value is not None and value < 0:
            raise Usage(f"--{flag} is invalid")
    if options.gpucore and options.gpucore % 5:
        raise Usage("GPUCore should be the multiple of 5")
    if options.gpus and options.gpumemory:
        raise Usage("--gpus and --gpumemory: give one of them")


def labels(options: Options, release: str, chart: str, serving_type: str) -> dict[str, str]:
    """The labels that Arena's charts put on everything."""
    found = {
        "heritage": "Helm",
        "release": release,
        "chart": f"{chart}-0.1.0",
        "app": chart,
        "servingName": options.name,
        "servingType": serving_type,
    }
    if serving_type != "kserve":
        found["servingVersion"] = options.version or ""
        found["serviceName"] = options.name
    if options.model_name and serving_type != "tf-serving":
        found["modelName"] = options.model_name
    if options.model_version:
        found["modelVersion"] = options.model_version
    return found | pairs(options.label, "--label")


def resources(options: Options, *, requests: bool) -> Json:
    """Limits, and for some charts requests equal to them."""
    limits: Json = {}
    for name, value in (("cpu", options.cpu), ("memory", options.memory)):
        if value:
            limits[name] = value
    for name, count in (
        (GPU, options.gpus),
        (GPU_MEMORY, options.gpumemory),
        (GPU_CORE, options.gpucore),
    ):
        if count:
            limits[name] = str(count)
    for name, count_text in pairs(options.device, "--device").items():
        if name == GPU:
            raise Usage(
                f"please use '--gpus {count_text}' instead of '--device {name}={count_text}'"
            )
        limits[name] = count_text
    if not limits:
        return {}
    return {"limits": limits} | ({"requests": dict(limits)} if requests else {})


def environment(options: Options) -> list[Json]:
    """`--env`, Secrets, and Arena's mark for pods that asked for no GPU."""
    found: list[Json] = [
        {"name": name, "value": value} for name, value in pairs(options.env, "--env").items()
    ]
    for name, secret in pairs(options.env_from_secret, "--env-from-secret").items():
        source = {"secretKeyRef": {"name": secret, "key": name}}
        found.append({"name": name, "valueFrom": source})
    if not (options.gpus or options.gpumemory or options.gpucore or options.device):
        found.append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"})
    return found


def volumes(options: Options) -> tuple[list[Json], list[Json]]:
    """(volumes, mounts) of --data, --data-dir, --temp-dir and --share-memory."""
    claims = mounts(options.data)
    expressions = _expressions(options.data_subpath_expr, "--data-subpath-expr", claims)
    made: list[Json] = []
    mounted: list[Json] = []
    for claim, path in claims:
        made.append({"name": claim, "persistentVolumeClaim": {"claimName": claim}})
        mounted.append({"name": claim, "mountPath": path} | expressions.get(claim, {}))
    for i, text in enumerate(options.data_dir):
        here, colon, there = text.partition(":")
        name = f"data-dir-{i}"
        made.append({"name": name, "hostPath": {"path": here}})
        mounted.append({"name": name, "mountPath": there if colon else here})
    folders = _named_paths(options.temp_dir, "--temp-dir")
    expressions = _expressions(options.temp_dir_subpath_expr, "--temp-dir-subpath-expr", folders)
    for name, path in folders:
        made.append({"name": name, "emptyDir": {}})
        mounted.append({"name": name, "mountPath": path} | expressions.get(name, {}))
    if options.share_memory:
        medium = {"medium": "Memory", "sizeLimit": options.share_memory}
        made.append({"name": "dshm", "emptyDir": medium})
        mounted.append({"name": "dshm", "mountPath": "/dev/shm"})
    return made, mounted


def _expressions(
    texts: tuple[str, ...], flag: str, mounted: Sequence[tuple[str, str]]
) -> dict[str, Json]:
    """`name:expression` texts, by the name of what is mounted. Raises `Usage`."""
    found: dict[str, Json] = {}
    known = {name for name, _ in mounted}
    for text in texts:
        name, colon, expression = text.partition(":")
        if not colon or not expression:
            raise Usage(f"{flag} {text!r}: write it as name:expression")
        if name not in known:
            raise Usage(f"{flag} {text!r}: nothing of that name is mounted")
        found[name] = {"subPathExpr": expression}
    return found


def affinity(options: Options) -> Json:
    """`--affinity-policy` of a job's pods among a cluster's nodes; on one machine all are on one."""
    policy = options.affinity_policy or "none"
    constraint = options.affinity_constraint or "preferred"
    if policy not in ("none", "spread", "binpack"):
        raise Usage(f"--affinity-policy={policy}: none, spread or binpack")
    if constraint not in ("preferred", "required"):
        raise Usage(f"--affinity-constraint={constraint}: preferred or required")
    if policy == "none":
        return {}
    names = {"key": "servingName", "operator": "In", "values": [options.name]}
    term: Json = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchExpressions": [names]},
    }
    if constraint == "preferred":
        term = {"weight": 100, "podAffinityTerm": term}
    kind = "podAntiAffinity" if policy == "spread" else "podAffinity"
    return {"affinity": {kind: {f"{constraint}DuringSchedulingIgnoredDuringExecution": [term]}}}


def _named_paths(texts: tuple[str, ...], flag: str) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        name, colon, path = text.partition(":")
        if not colon:
            raise Usage(f"{flag} {text!r}: write it as name:/path")
        found.append((name, path))
    return found


def placement(options: Options) -> Json:
    """nodeSelector, tolerations and pull secrets of a pod spec."""
    found: Json = {}
    selector = pairs(options.selector, "--selector")
    if selector:
        found["nodeSelector"] = selector
    tolerations = [_toleration(text) for text in options.toleration]
    if tolerations:
        found["tolerations"] = tolerations
    if options.image_pull_secret:
        found["imagePullSecrets"] = [{"name": name} for name in options.image_pull_secret]
    return found


def _toleration(text: str) -> Json:
    if text == "all":
        return {"operator": "Exists"}
    taint, comma, operator = text.partition(",")
    key_value, colon, effect = taint.partition(":")
    key, equals, value = key_value.partition("=")
    if not (comma and colon and equals):
        raise Usage(f"--toleration {text!r}: write it as key=value:effect,operator, or all")
    found = {"key": key, "effect": effect, "operator": operator}
    return found | ({"value": value} if value else {})


def command(options: Options, default: str = "") -> list[str]:
    """`sh -c COMMAND`; empty when there is nothing to say."""
    text = options.command or " ".join(options.words) or default
    return [options.shell or "sh", "-c", text] if text else []


def full_name(release: str, chart: str) -> str:
    """Helm's rule for the names of objects."""
    name = release if chart in release else f"{release}-{chart}"
    return name[:63].rstrip("-")
