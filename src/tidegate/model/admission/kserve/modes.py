"""The deployment mode that is in force for an InferenceService."""

from __future__ import annotations

from tidegate.model import kserve_names as names
from tidegate.model.kserve import InferenceService


def mode_of(isvc: InferenceService, default_mode: str) -> str:
    """Standard or Knative: the one it was made with, else its annotation's, else the default."""
    if isvc.metadata.annotations.get(names.DEPLOYMENT_MODE) in names.MODES:
        return names.MODES[isvc.metadata.annotations[names.DEPLOYMENT_MODE]]
    made = isvc.status.deployment_mode if isvc.status else None
    return made or default_mode
