"""The SQLite file: one row per object, and the version ceiling.

Only the journal writes here. WAL mode, so that a killed process loses nothing that was committed;
`synchronous` is FULL for a batch that must also survive a power cut, NORMAL otherwise. The lock is
exclusive: a second engine on the same file is an error, not a race.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidegate.store.errors import Corrupt, InUse, NewerSchema, NotOpened
from tidegate.store.record import Record

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
);
"""
_PUT = (
    "INSERT INTO objects VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
    "SET version = excluded.version, body = excluded.body"
)
_DELETE = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

#: A quarter of the file free, and at least 4 MiB (1,024 pages): worth giving back.
_FREE_SHARE, _FREE_PAGES = 0.25, 1024


class Database:
    """An open database. Used by one thread at a time.

    `path` None keeps it in memory. `max_bytes` bounds the file: writes beyond it fail as on a full
    disk; None leaves that to the disk. `busy_s`: how long to wait for another process to let go of
    the file (a control plane that is just ending). Raises `StoreError`s when it can't be opened.
    """

    def __init__(
        self, path: Path | None, *, max_bytes: int | None = None, busy_s: float = 5.0
    ) -> None:
        self.path = path
        try:
            if path is not None:
                _make_private(path)
        except OSError as why:
            raise NotOpened(self.name, why.strerror or str(why)) from why
        try:
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=busy_s
            )
        except sqlite3.Error as why:
            raise NotOpened(self.name, str(why)) from why
        self._full: bool | None = None
        try:
            self._prepare(max_bytes)
        except sqlite3.OperationalError as why:
            self._connection.close()
            if "locked" in str(why):
                raise InUse(self.name) from why
            raise NotOpened(self.name, str(why)) from why
        except sqlite3.DatabaseError as why:
            self._connection.close()
            raise Corrupt(self.name, str(why)) from why
        except BaseException:
            self._connection.close()
            raise

    @property
    def name(self) -> str:
        return str(self.path or "the database in memory")

    def ceiling(self) -> int:
        """Versions up to this one may have been seen by somebody."""
        return self._meta("ceiling") or 0

    def rows(self) -> Iterator[tuple[str, str, str, bytes]]:
        """(resource, namespace, name, body) of every object."""
        try:
            yield from self._connection.execute(
                "SELECT resource, namespace, name, body FROM objects"
            )
        except sqlite3.DatabaseError as why:
            raise Corrupt(self.name, str(why)) from why

    def commit(self, batch: Sequence[Record]) -> None:
        """All of it or nothing. Raises sqlite3.Error; the database is then as before."""
        run = self._connection.execute
        self._sync_fully(any(r.durable or r.ceiling is not None for r in batch))
        run("BEGIN IMMEDIATE")
        try:
            for r in batch:
                if r.body is None:
                    run(_DELETE, (r.resource, r.namespace, r.name))
                else:
                    run(_PUT, (r.resource, r.namespace, r.name, r.version, r.body))
                if r.ceiling is not None:
                    run(_META, ("ceiling", r.ceiling))
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise

    def tidy(self) -> None:
        """Give free pages back to the disk when they are many. Raises sqlite3.Error."""
        free, pages = self._pragma("freelist_count"), self._pragma("page_count")
        if free >= _FREE_PAGES and free >= pages * _FREE_SHARE:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        self._connection.close()

    def _prepare(self, max_bytes: int | None) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA journal_size_limit = 16777216")
        problem = run("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise Corrupt(self.name, problem)
        self._check_schema()
        if max_bytes is not None:
            run(f"PRAGMA max_page_count = {max(1, max_bytes // self._pragma('page_size'))}")

    def _check_schema(self) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")  # takes the lock for good: a second engine fails here
        has = self._meta("schema_version") if self._has_tables() else None
        if has is not None and has > SCHEMA_VERSION:
            run("ROLLBACK")
            raise NewerSchema(self.name, has=has, understood=SCHEMA_VERSION)
        if has is None:
            for statement in _SCHEMA.split(";"):
                run(statement)
            run(_META, ("schema_version", SCHEMA_VERSION))
        run("COMMIT")

    def _has_tables(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
        return self._connection.execute(query).fetchone() is not None

    def _sync_fully(self, wanted: bool) -> None:
        if wanted != self._full:  # can't be changed inside a transaction
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._full = wanted

    def _meta(self, key: str) -> int | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def _make_private(path: Path) -> None:
    """Secrets are in it, and the folder may be one that others read. Its journal gets the same mode.

    Before SQLite opens it: closing a descriptor of the file afterwards would end SQLite's locks.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
