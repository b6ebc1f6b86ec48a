"""`arena serve tensorflow|triton|custom`: a Deployment and a Service."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.cli.arena.config_files import ConfigFile, config_maps, config_volumes
from tidegate.cli.arena.options import Options
from tidegate.cli.arena.parse import pairs
from tidegate.cli.arena.render_istio import first_version
from tidegate.cli.arena.render_pods import (
    Json,
    checked,
    environment,
    full_name,
    labels,
    placement,
    resources,
    volumes,
)
from tidegate.cli.arena.shapes import SHAPES, Shape
from tidegate.cli.arena.types import ServeType
from tidegate.cli.errors import Usage


def render_deployed(
    type_: ServeType, options: Options, namespace: str, files: Sequence[ConfigFile] = ()
) -> list[Json]:
    """The documents, in the order in which they are applied. `options.version` is set.

    Raises `Usage`.
    """
    checked(options)
    if options.expose_service and not options.enable_istio:
        raise Usage("--expose-service: only together with --enable-istio")
    shape = SHAPES[type_.name](options)
    release = f"{options.name}-{options.version}"
    name = full_name(release, type_.chart)
    marks = labels(options, release, type_.chart, type_.label)
    selector = {"app": type_.chart, "release": release}
    service_name = release if shape.service == "release" else name
    routes: list[Json] = []
    leads_to = selector
    if options.enable_istio:  # one Service for all versions; its routes choose among them
        service_name, leads_to = options.name, {"app": type_.chart, "serviceName": options.name}
        routes = _istio(options, namespace)
    meta: Json = {"name": name, "namespace": namespace, "labels": marks}
    return [
        *config_maps(files, release, namespace, marks),
        _service(namespace, shape, marks, leads_to, service_name),
        _deployment(options, shape, meta, selector, _pod(options, shape, release, files)),
        *routes,
    ]


def _pod(options: Options, shape: Shape, release: str, files: Sequence[ConfigFile]) -> Json:
    made, mounted = (
        [*ours, *more]
        for ours, more in zip(volumes(options), config_volumes(files, release), strict=True)
    )
    container: Json = {
        "name": shape.container,
        "image": shape.image,
        "imagePullPolicy": options.image_pull_policy or "IfNotPresent",
    }
    if shape.command:
        container["command"] = shape.command
    container["ports"] = [
        {"name": pod_name, "containerPort": number, "protocol": "TCP"}
        for _, pod_name, number in shape.ports
    ]
    limits = resources(options, requests=False)
    if limits:
        container["resources"] = limits
    container["env"] = [*environment(options), *shape.env]
    if mounted:
        container["volumeMounts"] = mounted
    container |= shape.probes
    pod: Json = {"containers": [container]} | placement(options)
    if made:
        pod["volumes"] = made
    return pod


def _deployment(
    options: Options, shape: Shape, meta: Json, selector: dict[str, str], pod: Json
) -> Json:
    template: Json = {"metadata": {"labels": meta["labels"]}, "spec": pod}
    annotations = pairs(options.annotation, "--annotation")
    if annotations:
        template["metadata"]["annotations"] = annotations
        if shape.on_deployment:
            meta = meta | {"annotations": annotations}
    spec: Json = {
        "replicas": 1 if options.replicas is None else options.replicas,
        "selector": {"matchLabels": selector},
        "template": template,
    }
    strategy = _strategy(options)
    if strategy:
        spec["strategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _istio(options: Options, namespace: str) -> list[Json]:
    return first_version(
        options.name, options.version or "", namespace, exposed=options.expose_service
    )


def _service(
    namespace: str,
    shape: Shape,
    marks: dict[str, str],
    selector: dict[str, str],
    name: str,
) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": marks},
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [
                {"name": service_name, "port": number, "targetPort": number, "protocol": "TCP"}
                for service_name, _, number in shape.ports
            ],
        },
    }


def _strategy(options: Options) -> Json:
    rolling: Json = {}
    for key, value in (
        ("maxSurge", options.max_surge),
        ("maxUnavailable", options.max_unavailable),
    ):
        if value:
            rolling[key] = int(value) if value.isdigit() else value
    return {"type": "RollingUpdate", "rollingUpdate": rolling} if rolling else {}
