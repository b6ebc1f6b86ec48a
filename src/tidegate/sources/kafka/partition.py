"""One assigned partition: records waiting, events under way, and its ledger."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tidegate.sources.kafka.delivery import Interrupted
from tidegate.sources.kafka.ledger import Ledger
from tidegate.sources.kafka.notes import Tries
from tidegate.sources.kafka.records import Record

MOST_WAITING: Final = 500
MOST_WAITING_BYTES: Final = 2**20  # of each partition; what is fetched at once comes on top


@dataclass(slots=True)
class Partition:
    """Owned by the adapter's loop. It stays the same object while tries of it are under way, also
    while another consumer may have the partition."""

    topic: str
    number: int
    ledger: Ledger
    commit: Callable[[], asyncio.Future[None]]
    """Done when what the ledger knows now is committed."""
    owned: bool = True
    """Assigned to this consumer, and to be worked on."""
    waiting: deque[Record] = field(default_factory=deque)
    waiting_bytes: int = 0
    running: int = 0
    """Events between their first try and their end, waits included."""
    committed: tuple[int, str] | None = None
    """What was committed last, offset and metadata."""
    fetched: int = 0
    """The offset after the last record that came: where the consumer goes on."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the partition is being given up: nobody waits between tries."""
    _writing: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def wants_more(self) -> bool:
        return (
            self.owned
            and len(self.waiting) < MOST_WAITING
            and self.waiting_bytes < MOST_WAITING_BYTES
        )

    def note(self, offset: int, tries: Tries) -> None:
        """How often an event under way has been tried now."""
        self.ledger.note(offset, tries)

    def tried(self, offset: int) -> int | None:
        """How often it has been tried, elsewhere too. None: it was finished elsewhere."""
        return self.ledger.tried(offset)

    def finish(self, offset: int) -> None:
        """An event is finished."""
        self.ledger.finish(offset)

    async def write_down(self) -> None:
        """Return when what was noted is committed. Raises `Interrupted` if the partition goes."""
        if self.owned:
            written = self.commit()
            self._writing.add(written)
            try:
                await written
            finally:
                self._writing.discard(written)
        if not self.owned:
            raise Interrupted

    async def pause(self, wait_s: float) -> None:
        """Sleep. Raises `Interrupted` when the partition is given up meanwhile, or was before."""
        if self.owned:
            try:
                async with asyncio.timeout(wait_s):
                    await self.stopping.wait()
            except TimeoutError:
                return
        raise Interrupted

    def offer(self, record: Record) -> None:
        """A record came off the topic."""
        self.fetched = record.offset + 1
        self.waiting.append(record)
        self.waiting_bytes += size_of(record)

    def passed(self, offset: int) -> None:
        """All before this offset came, or never will."""
        if self.owned and not self.waiting:
            self.ledger.passed(offset)

    def pop(self) -> Record:
        """The next record."""
        record = self.waiting.popleft()
        self.waiting_bytes -= size_of(record)
        return record

    def give_up(self) -> None:
        """Take nothing more; those that wait between tries end."""
        self.owned = False
        self.waiting.clear()
        self.waiting_bytes = 0
        self.stopping.set()
        for written in self._writing:
            if not written.done():
                written.set_exception(Interrupted())

    def take_over(self, ledger: Ledger) -> None:
        """It is ours (again)."""
        self.ledger, self.owned, self.committed = ledger, True, None
        self.fetched = ledger.next
        self.waiting.clear()
        self.waiting_bytes = 0
        self.stopping = asyncio.Event()


def size_of(record: Record) -> int:
    """Bytes of key and value."""
    return len(record.key or b"") + len(record.value or b"")
