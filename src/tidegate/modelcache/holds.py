"""Who uses a snapshot, and who wants a source to stay: one empty file each, so they survive everything."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from tidegate.modelcache.layout import Layout, name_of


class Holds:
    """Marks of one cache. `hold` is called under the cache's lock; the others need none."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def hold(self, snapshot_id: str, holder: str) -> None:
        """The holder uses the snapshot; saying it twice is once."""
        _mark(self._layout.holds / snapshot_id, holder)

    def holders(self, snapshot_id: str) -> tuple[str, ...]:
        return _names(self._layout.holds / snapshot_id)

    def all(self) -> dict[str, frozenset[str]]:
        """Holder -> ids of what it holds."""
        found: dict[str, set[str]] = {}
        for folder in _entries(self._layout.holds):
            for holder in _names(folder):
                found.setdefault(holder, set()).add(folder.name)
        return {holder: frozenset(ids) for holder, ids in found.items()}

    def release(self, holder: str) -> int:
        """End all holds of a holder; how many there were."""
        count = 0
        for folder in _entries(self._layout.holds):
            try:
                (folder / name_of(holder)).unlink()
                count += 1
            except FileNotFoundError:
                continue
        return count

    def pin(self, key: str, owner: str) -> None:
        """The owner wants the source of that key to stay, once it is here."""
        _mark(self._layout.pins / key, owner)

    def unpin(self, key: str, owner: str | None) -> int:
        """One owner's wish ends, or (None) everybody's; how many did."""
        folder = self._layout.pins / key
        gone = [name for name in _names(folder) if owner is None or name == owner]
        for name in gone:
            (folder / name_of(name)).unlink(missing_ok=True)
        return len(gone)

    def owners(self, key: str) -> tuple[str, ...]:
        return _names(self._layout.pins / key)


def _mark(folder: Path, name: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name_of(name)).touch(mode=0o600)


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(unquote(path.name) for path in _entries(folder)))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
