"""KServe's kinds, those that are refused too: they are known by name."""

from __future__ import annotations

from tidegate.model import kserve
from tidegate.model.kind import Kind

_KSERVE = "serving.kserve.io"


KINDS: tuple[Kind, ...] = (
    Kind(
        kserve.InferenceService,
        _KSERVE,
        "v1beta1",
        "InferenceService",
        "inferenceservices",
        "inferenceservice",
        ("isvc",),
    ),
    Kind(
        kserve.InferenceGraph,
        _KSERVE,
        "v1alpha1",
        "InferenceGraph",
        "inferencegraphs",
        "inferencegraph",
        ("ig",),
    ),
    Kind(
        kserve.TrainedModel,
        _KSERVE,
        "v1alpha1",
        "TrainedModel",
        "trainedmodels",
        "trainedmodel",
        ("tm",),
    ),
    Kind(
        kserve.LLMInferenceService,
        _KSERVE,
        "v1alpha1",
        "LLMInferenceService",
        "llminferenceservices",
        "llminferenceservice",
        ("llmisvc",),
    ),
    Kind(
        kserve.ServingRuntime,
        _KSERVE,
        "v1alpha1",
        "ServingRuntime",
        "servingruntimes",
        "servingruntime",
    ),
    Kind(
        kserve.ClusterServingRuntime,
        _KSERVE,
        "v1alpha1",
        "ClusterServingRuntime",
        "clusterservingruntimes",
        "clusterservingruntime",
        namespaced=False,
    ),
)

VERSIONS: tuple[Kind, ...] = ()
