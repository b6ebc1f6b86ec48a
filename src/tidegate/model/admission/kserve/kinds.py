"""Admission of KServe's kinds: defaults, then everything that is wrong in one refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from tidegate.model import labels
from tidegate.model.admission.kserve.checks import check_inference_service, check_mode_change
from tidegate.model.admission.kserve.defaults import default_inference_service
from tidegate.model.admission.kserve.modes import mode_of
from tidegate.model.admission.metadata import check_metadata, check_metadata_change
from tidegate.model.errors import BadRequest, Invalid
from tidegate.model.kinds import kind_of
from tidegate.model.kserve import (
    ClusterServingRuntime,
    InferenceGraph,
    InferenceService,
    LLMInferenceService,
    ServingRuntime,
    ServingRuntimeSpec,
    TrainedModel,
)
from tidegate.model.meta import Object

ObjectT = TypeVar("ObjectT", bound=Object)
#: Kinds of KServe that are not served: why, and the way out.
NOT_SERVED: Mapping[type[Object], str] = {
    InferenceGraph: "chain the models in a transformer, or call them one after the other",
    TrainedModel: "ModelMesh is not run here: make it an InferenceService of its own",
    LLMInferenceService: "make it an InferenceService whose container is the server, such as vLLM",
}
KSERVE: tuple[type[Object], ...] = (
    InferenceService,
    ServingRuntime,
    ClusterServingRuntime,
    *NOT_SERVED,
)
_WEBHOOK = "inferenceservice.kserve-webhook-server.validator"
_RUNTIME_WEBHOOK = "servingruntime.kserve-webhook-server.validator"


def admit_kserve(obj: ObjectT, old: ObjectT | None, *, default_mode: str) -> ObjectT:
    """The object with defaults. Raises `Invalid` for its metadata, else `BadRequest` as the webhook."""
    if type(obj) in NOT_SERVED:
        kind = kind_of(obj).kind
        _refuse(_WEBHOOK, [f"{kind} is not served here: {NOT_SERVED[type(obj)]}"])
    meta = check_metadata(obj.metadata, labels.dns1123_subdomain)
    if old is not None:
        meta += check_metadata_change(obj.metadata, old.metadata)
    if meta:
        raise Invalid(kind_of(obj).qualified, obj.metadata.name, meta)
    if isinstance(obj, ServingRuntime | ClusterServingRuntime):
        found = list(_check_runtime(obj.spec))
        _refuse(_RUNTIME_WEBHOOK, found)
        return obj
    assert isinstance(obj, InferenceService)
    isvc = default_inference_service(obj, old if isinstance(old, InferenceService) else None)
    mode = mode_of(isvc, default_mode)
    found = list(check_inference_service(isvc, mode))
    if isinstance(old, InferenceService):
        found += check_mode_change(mode, mode_of(old, default_mode))
    _refuse(_WEBHOOK, found)
    return isvc  # type: ignore[return-value]  # the same type came in


def _check_runtime(spec: ServingRuntimeSpec) -> Iterator[str]:
    if not spec.containers:
        yield "spec.containers: a runtime needs one"
    if spec.multi_model:
        yield "spec.multiModel: ModelMesh is not served here: leave it out"
    if spec.worker_spec is not None:
        yield "spec.workerSpec: one machine runs no model over several: leave it out"
    seen: set[tuple[str, str | None, int | None]] = set()
    for model in spec.supported_model_formats:
        key = (model.name, model.version, model.priority)
        if model.auto_select and model.priority is not None and key in seen:
            yield f"Different priorities should be assigned for the model format {model.name!r}"
        seen.add(key)


def _refuse(webhook: str, found: list[str]) -> None:
    if found:
        sentences = [sentence.strip() for sentence in found]
        text = "; ".join(s.rstrip(".") if len(sentences) > 1 else s for s in sentences)
        raise BadRequest(f'admission webhook "{webhook}" denied the request: {text}')
