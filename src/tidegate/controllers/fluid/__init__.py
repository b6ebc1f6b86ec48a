"""Fluid's data sets: data of this machine in place, that of others through the model cache. What `app` wires."""

from tidegate.controllers.fluid.caching import DatasetCaches, Hits, Listed, Loading
from tidegate.controllers.fluid.folders import DatasetFolders
from tidegate.controllers.fluid.loads import DataLoadController
from tidegate.controllers.fluid.reconciler import DatasetController

__all__ = [
    "DataLoadController",
    "DatasetCaches",
    "DatasetController",
    "DatasetFolders",
    "Hits",
    "Listed",
    "Loading",
]
