"""The storage class that this machine has: a folder for each claim."""

from __future__ import annotations

import shutil
from pathlib import Path

from tidegate.client.api import Api
from tidegate.model.errors import AlreadyExists
from tidegate.model.meta import ObjectMeta
from tidegate.model.storage import (
    DEFAULT_CLASS,
    FOLDER_CLASS,
    FOLDER_PROVISIONER,
    StorageClass,
)


class VolumeFolders:
    """Folders below `root`, one per volume. Touches nothing outside of it. Raises OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def make(self, name: str) -> str:
        """The path of a volume's folder; made if it is missing."""
        path = self._root / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(path)

    def owns(self, path: str) -> bool:
        return Path(path).parent == self._root

    def remove(self, path: str) -> None:
        """The folder and all that is in it; nothing there: nothing happens."""
        if not self.owns(path):
            raise PermissionError(1, f"{path} is not below {self._root}")
        if Path(path).exists():
            shutil.rmtree(path)


def _folder_class(meta: ObjectMeta) -> StorageClass:
    """Its volumes may grow: folders have no size."""
    return StorageClass(metadata=meta, provisioner=FOLDER_PROVISIONER, allow_volume_expansion=True)


async def ensure_folder_class(api: Api) -> None:
    """Make the class `tidegate` the default one, unless it was made before."""
    if api.get(StorageClass, "", FOLDER_CLASS) is not None:
        return
    meta = ObjectMeta(name=FOLDER_CLASS, annotations={DEFAULT_CLASS: "true"})
    try:
        await api.create(_folder_class(meta))
    except AlreadyExists:
        return
