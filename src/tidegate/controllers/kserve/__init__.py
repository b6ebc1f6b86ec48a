"""KServe's InferenceService: what it is made of in both modes, and its status."""

from tidegate.controllers.kserve.builtin import ensure_runtimes
from tidegate.controllers.kserve.reconciler import InferenceServiceController

__all__ = ["InferenceServiceController", "ensure_runtimes"]
