"""Knative Revision: one Deployment and one PodAutoscaler, and a status from what became of them.

Source: knative/serving pkg/reconciler/revision.
"""

from tidegate.controllers.revision.reconciler import RevisionController

__all__ = ["RevisionController"]
