"""What KServe's webhook fills in: framework keys become `model`, protocols and names are set.

Source: kserve pkg/apis/serving/v1beta1/inference_service_defaults.go, predictor_custom.go.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from tidegate.model import kserve_names as names
from tidegate.model.kserve import (
    Component,
    FrameworkSpec,
    InferenceService,
    ModelFormat,
    ModelSpec,
    Predictor,
)
from tidegate.model.meta import touched

ComponentT = TypeVar("ComponentT", bound=Component)

FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
)
_V2 = ("triton", "onnx", "huggingface")


def default_inference_service(
    isvc: InferenceService, old: InferenceService | None = None
) -> InferenceService:
    """With what the webhook would have filled in. A predictor that says several things at once is
    left as it is, for the checks to refuse."""
    spec = isvc.spec
    predictor = _with_names(
        _framework_as_model(spec.predictor, old.spec.predictor if old else None)
    )
    if predictor.model is not None:
        predictor = replace(predictor, model=_with_protocol(predictor.model))
    transformer = _with_names(spec.transformer) if spec.transformer is not None else None
    meta = isvc.metadata
    mode = meta.annotations.get(names.DEPLOYMENT_MODE)
    if mode in names.MODES and names.MODES[mode] != mode:
        today = {**meta.annotations, names.DEPLOYMENT_MODE: names.MODES[mode]}
        meta = touched(meta, annotations=today)
    return replace(
        isvc, metadata=meta, spec=replace(spec, predictor=predictor, transformer=transformer)
    )


def said_frameworks(predictor: Predictor) -> list[str]:
    """The framework keys that are given."""
    return [name for name in FRAMEWORKS if getattr(predictor, name) is not None]


def _framework_as_model(predictor: Predictor, old: Predictor | None) -> Predictor:
    """A framework key beside the very `model` that is stored was patched in: it is what is meant."""
    said = said_frameworks(predictor)
    stored = predictor.model is not None and old is not None and predictor.model == old.model
    if len(said) != 1 or predictor.containers or (predictor.model is not None and not stored):
        return predictor
    given: FrameworkSpec = getattr(predictor, said[0])
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    model = ModelSpec(**fields, model_format=ModelFormat(name=said[0]))
    return replace(predictor, **{said[0]: None}, model=model)


def _with_protocol(model: ModelSpec) -> ModelSpec:
    if model.protocol_version or not model.model_format.name:
        return model
    return replace(model, protocol_version="v2" if model.model_format.name in _V2 else "v1")


def _with_names(component: ComponentT) -> ComponentT:
    """A single container without a name is the serving one."""
    if len(component.containers) != 1 or component.containers[0].name:
        return component
    only = msgspec.structs.replace(component.containers[0], name=names.CONTAINER)
    return replace(component, containers=(only,))
