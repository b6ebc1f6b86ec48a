"""The contract between a controller and the engine that runs it.

A reconciler gets a key, never an event. It reads what it needs, plans, writes, and may be run
again at any time: running it twice changes nothing the second time. It answers `Done` or
`Again(after_s)`; failure is an exception, which the engine retries with back-off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from tidegate.model.meta import Key, Object, controller_of

T = TypeVar("T", bound=Object)


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do until something changes."""


@dataclass(frozen=True, slots=True)
class Again:
    """Look again after so many seconds even if nothing changes."""

    after_s: float


Next = Done | Again


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of `type` make the controller look at `keys(object)`."""

    type: type[Object]
    keys: Callable[[Object], Iterable[Key]]


class Controller(Protocol):
    """One kind's loop. `name` is for logs; `watches` says what wakes it."""

    @property
    def name(self) -> str: ...

    @property
    def watches(self) -> Sequence[Watch]: ...

    async def reconcile(self, key: Key) -> Next: ...


def watch_self(type_: type[Object]) -> Watch:
    """The controller's own kind."""
    return Watch(type_, lambda obj: (obj.key,))


def watch_owned(type_: type[Object], owner_kind: str) -> Watch:
    """Objects that an object of our kind controls: look at that owner."""

    def keys(obj: Object) -> Iterable[Key]:
        ref = controller_of(obj.metadata)
        if ref is not None and ref.kind == owner_kind:
            yield Key(obj.metadata.namespace or "", ref.name)

    return Watch(type_, keys)


def watch_mapped(type_: type[T], keys: Callable[[T], Iterable[Key]]) -> Watch:
    """Related objects, mapped to our keys by a function of the object's own type."""
    return Watch(type_, cast("Callable[[Object], Iterable[Key]]", keys))
