"""`arena serve update`: a job's documents with the given flags over what is there. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import fields

from tidegate.cli.arena.jobs import Job
from tidegate.cli.arena.options import Options
from tidegate.cli.arena.parse import mounts, pairs
from tidegate.cli.arena.render_pods import (
    GPU,
    GPU_CORE,
    GPU_MEMORY,
    Json,
    checked,
    command,
    placement,
)
from tidegate.cli.arena.types import ServeType
from tidegate.cli.errors import Usage

_SCALER = "serving.kserve.io/autoscalerClass"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_READ_ONLY = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
)


#: Of a model: the flag's field, and the key in the document.
_MODEL_KEYS: Mapping[str, str] = {
    "runtime": "runtime",
    "runtime_version": "runtimeVersion",
    "storage_uri": "storageUri",
    "protocol_version": "protocolVersion",
}
_WHICH = frozenset({"name", "namespace", "version"})
_OF_ALL = frozenset(
    [
        "annotation",
        "label",
        "selector",
        "toleration",
        "image_pull_secret",
        "data",
        "image",
        "command",
        "words",
        "shell",
        "env",
        "cpu",
        "memory",
        "gpus",
        "gpumemory",
        "gpucore",
    ]
)
#: What a job of each type can be told besides.
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "tensorflow": frozenset(
        ["replicas", "model_name", "model_path", "model_config_file", "monitoring_config_file"]
    ),
    "triton": frozenset(["replicas", "model_repository"]),
    "custom": frozenset({"replicas"}),
    "kserve": frozenset(
        [
            "min_replicas",
            "max_replicas",
            "scale_target",
            "scale_metric",
            "container_concurrency",
            "timeout",
            "canary_traffic_percent",
            "model_format",
            *_MODEL_KEYS,
        ]
    ),
}


def changeable(type_: ServeType) -> frozenset[str]:
    """The fields of `Options` that an update of a job of this type may have."""
    return _WHICH | _OF_ALL | _OF_TYPE[type_.name]


def changed_documents(job: Job, options: Options) -> list[Json]:
    """The job's own document, changed. Raises `Usage` when no flag says what to change, or one
    says what an update can't."""
    _check_flags(job, options)
    document = _as_written(job.object)
    before = copy.deepcopy(document)
    if job.type.kind == "Deployment":
        _change_deployment(document, options)
    else:
        _change_isvc(document, options)
    if document == before:
        raise Usage("nothing to update: give a flag that says what to change")
    return [document]


def _check_flags(job: Job, options: Options) -> None:
    checked(options)
    can = changeable(job.type)
    for field in fields(Options):
        if field.name not in can and getattr(options, field.name) != field.default:
            flag = f"--{field.name.replace('_', '-')}"
            raise Usage(f"{flag}: an update can't change it: delete the job and submit it again")


def _as_written(obj: Json) -> Json:
    found = copy.deepcopy(obj)
    found.pop("status", None)
    for field in _READ_ONLY:
        found["metadata"].pop(field, None)
    found["metadata"].get("annotations", {}).pop(_LAST_APPLIED, None)
    return found


def _change_deployment(document: Json, options: Options) -> None:
    spec = document["spec"]
    template = spec["template"]
    if options.replicas is not None:
        spec["replicas"] = options.replicas
    for key, texts, flag in (
        ("annotations", options.annotation, "--annotation"),
        ("labels", options.label, "--label"),
    ):
        wanted = pairs(texts, flag)
        if wanted:
            template["metadata"].setdefault(key, {}).update(wanted)
            document["metadata"].setdefault(key, {}).update(wanted)
    _change_container(template["spec"]["containers"][0], options)
    _change_server(template["spec"]["containers"][0], options)
    _change_pod(template["spec"], template["spec"]["containers"][0], options)


def _change_isvc(document: Json, options: Options) -> None:
    for key, texts, flag in (
        ("annotations", options.annotation, "--annotation"),
        ("labels", options.label, "--label"),
    ):
        wanted = pairs(texts, flag)
        if wanted:
            document["metadata"].setdefault(key, {}).update(wanted)
    _check_own_scaler(document, options)
    predictor = document["spec"]["predictor"]
    container = predictor.get("model") or predictor["containers"][0]
    for key, value in (
        ("minReplicas", options.min_replicas),
        ("maxReplicas", options.max_replicas),
        ("scaleTarget", options.scale_target),
        ("scaleMetric", options.scale_metric.lower() if options.scale_metric else None),
        ("containerConcurrency", options.container_concurrency),
        ("timeout", options.timeout),
        ("canaryTrafficPercent", options.canary_traffic_percent),
    ):
        if value is not None:
            predictor[key] = value
    _change_model(predictor, options)
    _change_container(container, options)
    _change_pod(predictor, container, options)


def _change_model(predictor: Json, options: Options) -> None:
    texts = {key: getattr(options, field) for field, key in _MODEL_KEYS.items()}
    wanted: Json = {key: text for key, text in texts.items() if text is not None}
    if options.model_format is not None:
        name, _, version = options.model_format.partition(":")
        wanted["modelFormat"] = {"name": name} | ({"version": version} if version else {})
    if wanted and "model" not in predictor:
        raise Usage(
            "the job serves by its own image, not by a model format, so it has no "
            f"{', '.join(wanted)}: delete it and submit it again"
        )
    predictor.get("model", {}).update(wanted)


def _check_own_scaler(document: Json, options: Options) -> None:
    """A job that scales on a metric of its pods does so by an HPA of its own."""
    class_ = document["metadata"].get("annotations", {}).get(_SCALER)
    said = (options.min_replicas, options.max_replicas, options.scale_target, options.scale_metric)
    if class_ == "external" and any(value is not None for value in said):
        name = document["metadata"]["name"]
        raise Usage(f"the job is scaled by another: change it with `kubectl edit hpa {name}-hpa`")


def _change_server(container: Json, options: Options) -> None:
    """Flags of the server's own command line, as the charts write it."""
    values = {
        "model_name": options.model_name,
        "model_base_path": options.model_path,
        "model_config_file": options.model_config_file,
        "monitoring_config_file": options.monitoring_config_file,
        "model-repository": options.model_repository,
    }
    given = {flag: value for flag, value in values.items() if value}
    said: list[str] = container.get("command") or []
    if not given:
        return
    if len(said) != 3 or said[1] != "-c":
        raise Usage("the job's command isn't Arena's own: give the whole of it with --command")
    text = said[2]
    if "model_config_file" in given:
        text = re.sub(r"\s--model_(name|base_path)=\S+", "", text)
    elif "model_base_path" in given:
        text = re.sub(r"\s--model_config_file=\S+", "", text)
    for flag, value in given.items():
        pattern = rf"(?<=\s)--{flag}=\S+"
        new = f"--{flag}={value}"
        found = re.search(pattern, text)
        text = f"{text} {new}" if found is None else text.replace(found[0], new, 1)
    container["command"] = [*said[:2], text]


def _change_container(container: Json, options: Options) -> None:
    if options.image:
        container["image"] = options.image
    said = command(options)
    if said:
        container["command"] = said
    wanted = pairs(options.env, "--env")
    if wanted:
        known = {var["name"]: var for var in container.get("env", ())}
        known |= {name: {"name": name, "value": value} for name, value in wanted.items()}
        container["env"] = list(known.values())
    sizes = {"cpu": options.cpu, "memory": options.memory}
    changed: dict[str, str | None] = {name: text for name, text in sizes.items() if text}
    if options.gpus is not None:
        changed |= {GPU: str(options.gpus), GPU_MEMORY: None}
    if options.gpumemory is not None:
        changed |= {GPU_MEMORY: str(options.gpumemory), GPU: None}
    if options.gpucore is not None:
        changed[GPU_CORE] = str(options.gpucore)
    if changed:
        resources = container.setdefault("resources", {})
        for part in ("limits", *(("requests",) if "requests" in resources else ())):
            values = {**resources.get(part, {}), **changed}
            resources[part] = {key: value for key, value in values.items() if value is not None}


def _change_pod(spec: Json, container: Json, options: Options) -> None:
    found = placement(options)
    if "nodeSelector" in found:
        spec["nodeSelector"] = {**spec.get("nodeSelector", {}), **found["nodeSelector"]}
    for key in ("tolerations", "imagePullSecrets"):
        known = spec.get(key, [])
        more = [one for one in found.get(key, ()) if one not in known]
        if more:
            spec[key] = [*known, *more]
    for claim, path in mounts(options.data):
        volumes = [v for v in spec.get("volumes", ()) if v["name"] != claim]
        source = {"claimName": claim}
        spec["volumes"] = [*volumes, {"name": claim, "persistentVolumeClaim": source}]
        kept = [m for m in container.get("volumeMounts", ()) if m["name"] != claim]
        container["volumeMounts"] = [*kept, {"name": claim, "mountPath": path}]
