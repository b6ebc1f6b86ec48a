"""The committed objects in memory, and how they are found."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping

from tidegate.model.meta import Key, Object


class Shelf:
    """Objects of one type, in (namespace, name) order."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._keys: list[Key] = []  # sorted; a namespace is one slice of it

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def put(self, obj: Object) -> None:
        key = obj.key
        if key not in self._objects:
            insort(self._keys, key)
        self._objects[key] = obj

    def remove(self, key: Key) -> None:
        if self._objects.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def within(self, namespace: str | None) -> Iterator[Object]:
        """Objects of one namespace, or of all (None)."""
        if namespace is None:
            keys = self._keys
        else:
            start = bisect_left(self._keys, Key(namespace, ""))
            stop = bisect_left(self._keys, Key(namespace + "\0", ""), lo=start)
            keys = self._keys[start:stop]
        return (self._objects[key] for key in keys)


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
