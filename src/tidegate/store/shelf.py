"""The committed objects in memory, and how they are found."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping

from tidegate.model.meta import Key, Object
from tidegate.model.references import references


class Shelf:
    """Objects of one type, in (namespace, name) order, and by the names that they mention."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._keys: list[Key] = []  # sorted; a namespace is one slice of it
        self._mentioning: dict[Key, set[Key]] = {}  # a name of a namespace -> who mentions it

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def put(self, obj: Object) -> None:
        key = obj.key
        old = self._objects.get(key)
        if old is None:
            insort(self._keys, key)
        self._objects[key] = obj
        self._mention(old, obj)

    def remove(self, key: Key) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            del self._keys[bisect_left(self._keys, key)]
            self._mention(old, None)

    def mentioning(self, namespace: str, name: str) -> Iterator[Object]:
        """Objects of a namespace that mention this name (see `model.references`), in order."""
        found = self._mentioning.get(Key(namespace, name), ())
        return (self._objects[key] for key in sorted(found))

    def within(self, namespace: str | None) -> Iterator[Object]:
        """Objects of one namespace, or of all (None)."""
        if namespace is None:
            keys = self._keys
        else:
            start = bisect_left(self._keys, Key(namespace, ""))
            stop = bisect_left(self._keys, Key(namespace + "\0", ""), lo=start)
            keys = self._keys[start:stop]
        return (self._objects[key] for key in keys)

    def _mention(self, old: Object | None, new: Object | None) -> None:
        was = references(old) if old is not None else frozenset()
        now = references(new) if new is not None else frozenset()
        for name in was - now:
            assert old is not None
            place = Key(old.key.namespace, name)
            self._mentioning[place].discard(old.key)
            if not self._mentioning[place]:
                del self._mentioning[place]
        for name in now - was:
            assert new is not None
            self._mentioning.setdefault(Key(new.key.namespace, name), set()).add(new.key)


class Index:
    """Objects by a uid: their own, or one of their owners'."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Object] = {}
        self._by_owner: dict[str, dict[str, Object]] = {}

    def put(self, obj: Object, old: Object | None) -> None:
        if old is not None:
            self.remove(old)
        uid = obj.metadata.uid or ""
        self._by_uid[uid] = obj
        for ref in obj.metadata.owner_references:
            self._by_owner.setdefault(ref.uid, {})[uid] = obj

    def remove(self, obj: Object) -> None:
        uid = obj.metadata.uid or ""
        self._by_uid.pop(uid, None)
        for ref in obj.metadata.owner_references:
            owned = self._by_owner.get(ref.uid)
            if owned is not None:
                owned.pop(uid, None)
                if not owned:
                    del self._by_owner[ref.uid]

    def get(self, uid: str) -> Object | None:
        return self._by_uid.get(uid)

    def owned_by(self, uid: str) -> Mapping[str, Object]:
        return self._by_owner.get(uid, {})
