"""Deployment: moves pods from one ReplicaSet to the next without breaking what it promised.

`rollout` decides sizes, `history` which ReplicaSet is which, `progress` the status; all pure.
`reconciler` reads, asks them, and writes.
"""

from tidegate.controllers.deployment.reconciler import DeploymentController

__all__ = ["DeploymentController"]
