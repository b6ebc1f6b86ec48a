"""Fluid's data sets, as far as their data lies on this machine. What `app` wires."""

from tidegate.controllers.fluid.folders import DatasetFolders
from tidegate.controllers.fluid.loads import DataLoadController
from tidegate.controllers.fluid.reconciler import DatasetController

__all__ = ["DataLoadController", "DatasetController", "DatasetFolders"]
