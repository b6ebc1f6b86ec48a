"""The true API on a database in memory: no thread, so it works on virtual time."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from tidegate.apiserver.local import LocalApi
from tidegate.apiserver.writes import Admits, Writes
from tidegate.kit.clock import Clock
from tidegate.model.meta import Object
from tidegate.store import Database, InlineJournal, Store


@dataclass(frozen=True, slots=True)
class AdmittedAsIs:
    object: Object
    warnings: tuple[str, ...] = ()


class AdmitEverything:
    """Admission that neither defaults nor refuses."""

    def admit(
        self, obj: Object, old: Object | None, *, user: str, status: bool = False
    ) -> AdmittedAsIs:
        return AdmittedAsIs(obj)


def make_api(clock: Clock, admission: Admits | None = None) -> LocalApi:
    """A fresh API without any object (see `ensure_namespaces`). Admits everything unless told how.

    uids are `uid-1`, `uid-2`, ... and generated names are the same in every run.
    """
    numbers = itertools.count(1)
    writes = Writes(
        Store(InlineJournal(Database(None))),
        admission or AdmitEverything(),
        clock,
        new_uid=lambda: f"uid-{next(numbers)}",
        suffixes=random.Random(1),
    )
    return LocalApi(writes)
