"""Objects, resourceVersions, the watch log and their persistence."""

from tidegate.store.database import Database
from tidegate.store.errors import Corrupt, InUse, NewerSchema, NotOpened, StoreError, Unreadable
from tidegate.store.journal import InlineJournal, ThreadedJournal
from tidegate.store.store import Store, StoreState, too_large
from tidegate.store.watchlog import Logged

__all__ = [
    "Corrupt",
    "Database",
    "InUse",
    "InlineJournal",
    "Logged",
    "NewerSchema",
    "NotOpened",
    "Store",
    "StoreError",
    "StoreState",
    "ThreadedJournal",
    "Unreadable",
    "too_large",
]
