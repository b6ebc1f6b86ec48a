"""Taking away what nobody uses: one source, or all of them. Under the cache's lock, in this process."""

from __future__ import annotations

from tidegate.modelcache.errors import Held
from tidegate.modelcache.layout import delete_tree, published
from tidegate.modelcache.store import Store
from tidegate.modelcache.values import Known, Tier


def remove(store: Store, source: Known) -> int:
    """Take a source away; bytes that became free. Raises `Held`; what isn't here is fine."""
    entry = store.entry(source.key)
    with store.locked():
        _refuse_held(store, source, entry.snapshot if entry else None)
        if entry is not None:
            store.layout.entry(source.key).unlink(missing_ok=True)
            if not any(other.snapshot == entry.snapshot for _, other in store.entries()):
                store.forget(entry.snapshot)
        for tier in store.tiers:
            delete_tree(tier.path / "staging" / source.key)
        return sum(store.sweep(tier.path) for tier in store.tiers)


def _refuse_held(store: Store, source: Known, snapshot_id: str | None) -> None:
    holders = store.holds.holders(snapshot_id) if snapshot_id else ()
    if holders:
        raise Held(f"{source.shown} is in use by {', '.join(holders)}: end that first")
    if store.fetching(source.key):
        raise Held(f"{source.shown} is being fetched: wait, or end who fetches it")
    owners = store.holds.owners(source.key)
    if owners:
        raise Held(f"{source.shown} is pinned by {', '.join(owners)}: unpin it first")


def prune(store: Store) -> int:
    """Remove everything that nobody holds or pins, what ended fetches left too; bytes freed."""
    with store.locked():
        kept = set()
        for key, entry in list(store.entries()):
            busy = store.holds.holders(entry.snapshot) or store.holds.owners(key)
            if busy or store.fetching(key):
                kept.add(entry.snapshot)
            else:
                store.layout.entry(key).unlink(missing_ok=True)
        for path in store.layout.snapshots.glob("*.json"):
            name = path.name.removesuffix(".json").removesuffix(".files")
            if name not in kept and not store.holds.holders(name):
                store.forget(name)
        freed = sum(_pruned(store, tier) for tier in store.tiers)
        store.forget_blobs()
        return freed


def _pruned(store: Store, tier: Tier) -> int:
    for work in list((tier.path / "staging").iterdir()):
        if not store.fetching(work.name):
            delete_tree(work)
    for folder in list((tier.path / "snapshots").iterdir()):
        if store.snapshot_record(folder.name) is None:
            delete_tree(published(tier.path, folder.name))
    return store.sweep(tier.path)
