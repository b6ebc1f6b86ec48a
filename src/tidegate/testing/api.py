"""The true API on a database in memory: no thread, so it works on virtual time."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.local import LocalApi
from tidegate.apiserver.quotas import Quotas
from tidegate.apiserver.writes import Admits, Writes
from tidegate.app.settings_maps import config_reader
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
    return _api_over(Store(InlineJournal(Database(None))), clock, admission or AdmitEverything())


def make_guarded_api(clock: Clock) -> LocalApi:
    """The same behind the true admission, which reads its config maps from the API's own store."""
    store = Store(InlineJournal(Database(None)))
    return _api_over(store, clock, Admission(config_reader(store), Quotas(store)))


def _api_over(store: Store, clock: Clock, admission: Admits) -> LocalApi:
    numbers = itertools.count(1)
    writes = Writes(
        store,
        admission,
        clock,
        new_uid=lambda: f"uid-{next(numbers)}",
        suffixes=random.Random(1),
    )
    return LocalApi(writes)
