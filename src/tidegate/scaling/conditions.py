"""The autoscaler's conditions: three facts, and `Ready` that sums them up.

A `Conditions` value is what was written last; a `Marker` collects what one step finds and settles
into the next value. `Ready` follows each mark as it is made, so the order of marks matters where
two facts are unknown at once; that order is Knative's.

Source: knative.dev/pkg apis/condition_set.go, and the generated reconciler's grooming of times.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """`since_s`: when status, reason or message last changed, in seconds on the steps' clock."""

    status: Truth
    reason: str
    message: str
    since_s: float

    def says(self, other: Condition) -> bool:
        """Equal but for the time."""
        return (self.status, self.reason, self.message) == (
            other.status,
            other.reason,
            other.message,
        )


@dataclass(frozen=True, slots=True)
class Conditions:
    """The facts in the order of their names in the API, and their sum."""

    active: Condition
    sks_ready: Condition
    scale_target_initialized: Condition
    ready: Condition

    @classmethod
    def unknown(cls, now_s: float) -> Conditions:
        blank = Condition(Truth.UNKNOWN, "", "", now_s)
        return cls(blank, blank, blank, blank)


_FACTS = ("active", "sks_ready", "scale_target_initialized")


class Marker:
    """One step's marks on the conditions `was`. `settled` gives the conditions after it."""

    def __init__(self, was: Conditions, now_s: float) -> None:
        self._was, self._now_s = was, now_s
        self.now = was

    def true(self, fact: str) -> None:
        """The fact holds; `ready` becomes true with the last one."""
        self._set(fact, Truth.TRUE, "", "")
        worst = self._worst()
        if worst is None:
            self._set("ready", Truth.TRUE, "", "")
        else:
            self._set("ready", worst.status, worst.reason, worst.message)

    def unknown(self, fact: str, reason: str, message: str) -> None:
        """The fact isn't known; nor is `ready`, unless something is known to have failed."""
        self._set(fact, Truth.UNKNOWN, reason, message)
        if any(self._get(name).status is Truth.FALSE for name in _FACTS):
            if self.now.ready.status is not Truth.FALSE:
                self._set("ready", Truth.FALSE, reason, message)
        else:
            self._set("ready", Truth.UNKNOWN, reason, message)

    def false(self, fact: str, reason: str, message: str) -> None:
        """The fact doesn't hold, and so `ready` doesn't."""
        self._set(fact, Truth.FALSE, reason, message)
        self._set("ready", Truth.FALSE, reason, message)

    def settled(self) -> Conditions:
        """What says the same as before the step keeps its time; the rest shares the step's."""
        kept = {
            item.name: getattr(self._was, item.name)
            for item in fields(Conditions)
            if getattr(self.now, item.name).says(getattr(self._was, item.name))
        }
        return replace(self.now, **kept)

    def _get(self, fact: str) -> Condition:
        found: Condition = getattr(self.now, fact)
        return found

    def _set(self, name: str, status: Truth, reason: str, message: str) -> None:
        mark = Condition(status, reason, message, self._now_s)
        if not mark.says(self._get(name)):
            self.now = replace(self.now, **{name: mark})

    def _worst(self) -> Condition | None:
        """A false fact before an unknown one; of several the newest, then by name."""
        newest = sorted((self._get(name) for name in _FACTS), key=lambda one: -one.since_s)
        for status in (Truth.FALSE, Truth.UNKNOWN):
            for one in newest:
                if one.status is status:
                    return one
        return None
