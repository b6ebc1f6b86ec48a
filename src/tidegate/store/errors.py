"""What can be wrong with the database itself; what a single write can meet is `model.errors`.

StoreError
  ├── NewerSchema   written by a newer Tidegate
  ├── Corrupt       not a database, or a damaged one
  ├── Unreadable    an object in it is not what this version understands
  ├── NotOpened     the folder or the disk does not let us
  └── InUse         another process has it open
"""

from __future__ import annotations

from pathlib import Path


class StoreError(Exception):
    """Base: the engine can't start on this database."""


class NewerSchema(StoreError):
    def __init__(self, path: Path | str, *, has: int, understood: int) -> None:
        self.path, self.has, self.understood = path, has, understood
        super().__init__(
            f"{path} was written by a newer Tidegate (schema {has}, this one understands "
            f"{understood}): run that version, or start with another --data-dir"
        )


class Corrupt(StoreError):
    def __init__(self, path: Path | str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            f"{path} is damaged ({problem}): nothing was changed. Move it away together with "
            f"{path}-wal, start again and apply your documents again"
        )


class Unreadable(StoreError):
    def __init__(self, path: Path | str, what: str, problem: str) -> None:
        self.path, self.what, self.problem = path, what, problem
        super().__init__(
            f"{path} holds {what}, which this version does not understand ({problem}): "
            "run the version that wrote it, or start with another --data-dir"
        )


class NotOpened(StoreError):
    def __init__(self, path: Path | str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            f"{path} could not be opened ({problem}): check that its folder exists, is yours, and "
            "has room, or start with another --data-dir"
        )


class InUse(StoreError):
    def __init__(self, path: Path | str) -> None:
        self.path = path
        super().__init__(
            f"{path} is open in another process: an engine already runs on this home "
            "(`tidegate status` shows it)"
        )
