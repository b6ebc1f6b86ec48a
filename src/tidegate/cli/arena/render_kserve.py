"""`arena serve kserve`: an InferenceService, and an HPA when it scales on a metric of the pods."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.cli.arena.config_files import ConfigFile, config_maps, config_volumes
from tidegate.cli.arena.options import Options
from tidegate.cli.arena.parse import pairs
from tidegate.cli.arena.render_pods import (
    Json,
    affinity,
    checked,
    command,
    environment,
    labels,
    placement,
    resources,
    volumes,
)
from tidegate.cli.errors import Usage

_METRICS = ("cpu", "memory", "rps", "concurrency")
_METRICS_PORT = 8080
_CLASS = "serving.kserve.io/autoscalerClass"


def render_kserve(options: Options, namespace: str, files: Sequence[ConfigFile] = ()) -> list[Json]:
    """The documents, in the order in which they are applied. Raises `Usage`."""
    checked(options)
    if not options.model_format and not options.image:
        raise Usage("model format and image can not be empty at the same time")
    if not options.model_format:
        for flag, value in (
            ("--runtime", options.runtime),
            ("--runtime-version", options.runtime_version),
            ("--storage-uri", options.storage_uri),
            ("--protocol-version", options.protocol_version),
        ):
            if value:
                raise Usage(f"{flag}: only together with --model-format")
    if options.metrics_port and not options.enable_prometheus:
        raise Usage("--metrics-port: only together with --enable-prometheus")
    custom = _custom_metric(options)
    low, high = options.min_replicas, options.max_replicas
    if low and high and low > high:
        raise Usage(f"--min-replicas={low} is more than --max-replicas={high}")
    if custom and not options.scale_target:
        raise Usage(f"--scale-metric={custom}: needs a --scale-target")
    said = pairs(options.annotation, "--annotation").get(_CLASS)
    if custom and said not in (None, "external"):
        raise Usage(
            f"--scale-metric={custom} needs the autoscaler class external, and --annotation says {said}"
        )
    marks = labels(options, options.name, "kserve", "kserve")
    documents = config_maps(files, options.name, namespace, marks)
    documents.append(_inference_service(options, namespace, files))
    if custom:
        documents.append(_autoscaler(options, namespace, custom))
    if options.enable_prometheus:
        documents.append(_metrics_service(options, namespace))
    return documents


def _custom_metric(options: Options) -> str | None:
    metric = options.scale_metric
    return metric if metric and metric.lower() not in _METRICS else None


def _inference_service(options: Options, namespace: str, files: Sequence[ConfigFile]) -> Json:
    annotations = pairs(options.annotation, "--annotation")
    if _custom_metric(options):
        annotations[_CLASS] = "external"
    if options.enable_prometheus:
        annotations["serving.kserve.io/enable-prometheus-scraping"] = "true"
    meta: Json = {
        "name": options.name,
        "namespace": namespace,
        "labels": labels(options, options.name, "kserve", "kserve"),
    }
    if annotations:
        meta["annotations"] = annotations
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": meta,
        "spec": {"predictor": _predictor(options, files)},
    }


def _predictor(options: Options, files: Sequence[ConfigFile]) -> Json:
    made, mounted = (
        [*ours, *more]
        for ours, more in zip(volumes(options), config_volumes(files, options.name), strict=True)
    )
    container = _container(options, mounted)
    found: Json = placement(options) | affinity(options)
    if options.model_format:
        name, _, version = options.model_format.partition(":")
        model: Json = {"modelFormat": {"name": name} | ({"version": version} if version else {})}
        for key, value in (
            ("runtime", options.runtime),
            ("runtimeVersion", options.runtime_version),
            ("storageUri", options.storage_uri),
            ("protocolVersion", options.protocol_version),
        ):
            if value:
                model[key] = value
        found["model"] = model | container
    else:
        found["containers"] = [{"name": "kserve-container"} | container]
    if made:
        found["volumes"] = made
    return found | _scaling(options)


def _scaling(options: Options) -> Json:
    """Arena's template leaves zeros out, so `--min-replicas=0` becomes KServe's default of 1."""
    found: Json = {}
    if not _custom_metric(options):
        low = 1 if options.min_replicas is None else options.min_replicas
        for key, value in (
            ("minReplicas", low),
            ("maxReplicas", options.max_replicas),
            ("scaleTarget", options.scale_target),
        ):
            if value:
                found[key] = value
        if options.scale_metric:
            found["scaleMetric"] = options.scale_metric.lower()
    for key, value in (
        ("containerConcurrency", options.container_concurrency),
        ("timeout", options.timeout),
    ):
        if value:
            found[key] = value
    percent = options.canary_traffic_percent
    if percent is not None and percent >= 0:
        found["canaryTrafficPercent"] = percent
    return found


def _container(options: Options, mounted: list[Json]) -> Json:
    found: Json = {}
    if options.image:
        found["image"] = options.image
        found["imagePullPolicy"] = options.image_pull_policy or "IfNotPresent"
    said = command(options)
    if said:
        found["command"] = said
    if options.port:
        found["ports"] = [{"containerPort": options.port, "protocol": "TCP"}]
    limits = resources(options, requests=True)
    if limits:
        found["resources"] = limits
    variables = environment(options)
    if variables:
        found["env"] = variables
    if mounted:
        found["volumeMounts"] = mounted
    security = pairs(options.security_context, "--security-context")
    if security:
        found["securityContext"] = {key: _plain(value) for key, value in security.items()}
    return found


def _plain(text: str) -> str | int | bool:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.lstrip("-").isdigit() else text


def _autoscaler(options: Options, namespace: str, metric: str) -> Json:
    low = 1 if options.min_replicas is None else options.min_replicas
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": f"{options.name}-hpa",
            "namespace": namespace,
            "labels": labels(options, options.name, "kserve", "kserve"),
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": f"{options.name}-predictor",
            },
            "minReplicas": max(1, low),
            "maxReplicas": max(1, low, options.max_replicas or 0),
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": metric},
                        # As Arena writes it; an AverageValue is what it means.
                        "target": {"type": "Utilization", "averageValue": options.scale_target},
                    },
                }
            ],
        },
    }


def _metrics_service(options: Options, namespace: str) -> Json:
    port = options.metrics_port or _METRICS_PORT
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"{options.name}-metric-svc",
            "namespace": namespace,
            "labels": labels(options, options.name, "kserve", "kserve"),
        },
        "spec": {
            "selector": {"serving.kserve.io/inferenceservice": options.name},
            "ports": [{"name": "http-metrics", "port": port, "targetPort": port}],
        },
    }
