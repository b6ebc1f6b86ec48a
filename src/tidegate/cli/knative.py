"""The Knative Service that a name on a command line means: its own, or the one that an InferenceService
is made of."""

from __future__ import annotations

from typing import Any, Final

from tidegate.cli.address import named
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError
from tidegate.model.errors import NotFound

Json = dict[str, Any]
SERVICES: Final = "services.serving.knative.dev"
_INFERENCE: Final = "inferenceservices.serving.kserve.io"


def knative_service(cluster: Cluster, namespace: str, text: str) -> Json:
    """`text` is NAME, ksvc/NAME or isvc/NAME. Raises `NotFound`, `Usage`, and `CliError` for an
    InferenceService that is no Knative Service."""
    wanted, known = named(text), cluster.resources()
    services, inference = find_kind(known, SERVICES), find_kind(known, _INFERENCE)
    if wanted.kind == "isvc":
        made_of = _made_of(cluster.read(inference, namespace, wanted.name))
        return cluster.read(services, namespace, made_of)
    try:
        return cluster.read(services, namespace, wanted.name)
    except NotFound as missing:
        if wanted.kind is not None:
            raise
        try:
            found = cluster.read(inference, namespace, wanted.name)
        except NotFound:
            raise missing from None  # nobody asked for an InferenceService
    return cluster.read(services, namespace, _made_of(found))


def _made_of(inference_service: Json) -> str:
    name = inference_service["metadata"]["name"]
    if (inference_service.get("status") or {}).get("deploymentMode") == "Standard":
        raise CliError(
            f"InferenceService {name} is in Standard mode, a Deployment without revisions: "
            "`tidegate get hpa,so` shows what scales it"
        )
    return f"{name}-predictor"


def owner_of(service: Json) -> str | None:
    """The InferenceService whose Knative Service it is; None: it is somebody's own."""
    for owner in service["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == "InferenceService" and owner.get("controller"):
            return str(owner["name"])
    return None
