"""Defaults and validation of Knative's kinds, as its webhooks do them."""

from tidegate.model.admission.knative.kinds import KNATIVE, WEBHOOK, admit_knative, refused
from tidegate.model.admission.knative.settings import (
    AnnotationChecks,
    Features,
    RevisionDefaults,
    Settings,
)

__all__ = [
    "KNATIVE",
    "WEBHOOK",
    "AnnotationChecks",
    "Features",
    "RevisionDefaults",
    "Settings",
    "admit_knative",
    "refused",
]
