"""Volumes and the claims that bind them. What `app` wires."""

from tidegate.controllers.storage.binder import VolumeBinder
from tidegate.controllers.storage.folders import VolumeFolders, ensure_folder_class

__all__ = ["VolumeBinder", "VolumeFolders", "ensure_folder_class"]
