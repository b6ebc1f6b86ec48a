"""ReplicaSet: as many pods of a template as asked for."""

from tidegate.controllers.replicaset.reconciler import ReplicaSetController

__all__ = ["ReplicaSetController"]
