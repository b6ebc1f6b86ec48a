"""Standby: what of a revision is kept ready to wake while it has no traffic. Pure.

Between nothing (the next request waits for a process to start and a model to load) and a replica that
serves there are steps, each costs memory and saves time:

- `imported`: no pod; the fork server that its pods come from stays, with its imports done;
- `frozen`: a pod with the model loaded, stopped (SIGSTOP): no CPU, and its pages may go to swap;
- `sleep`: a pod whose engine was told to sleep, where it can (vLLM's `/sleep`);
- `warm`: a pod with the model loaded that gets no request.

The reserved instances of ACK Knative (`knative.aliyun.com/reserve-instance: enable`) are warm ones here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tidegate.model.field_errors import FieldError

LEVEL = "tidegate.dev/standby"
REPLICAS = "tidegate.dev/standby-replicas"
WHEN = "tidegate.dev/standby-when"
KEYS = (LEVEL, REPLICAS, WHEN)
RESERVE = "knative.aliyun.com/reserve-instance"
RESERVE_REPLICAS = "knative.aliyun.com/reserve-instance-replicas"
RESERVE_KEYS = (RESERVE, RESERVE_REPLICAS)

MOST = 100
_IDLE, _ALWAYS = "idle", "always"


class Level(StrEnum):
    """How much is kept."""

    NONE = "none"
    IMPORTED = "imported"
    FROZEN = "frozen"
    SLEEP = "sleep"
    WARM = "warm"


@dataclass(frozen=True, slots=True)
class Standby:
    """`replicas`: pods kept at rest (0 where the level keeps none). `always`: beside the replicas that
    serve; else only while none does."""

    level: Level = Level.NONE
    replicas: int = 0
    always: bool = False

    def kept(self, wanted: int) -> int:
        """Pods at rest beside `wanted` replicas."""
        return self.replicas if self.always or wanted == 0 else 0

    @property
    def text(self) -> str:
        """As one word for an annotation; `standby_from` reads it."""
        return f"{self.level}:{self.replicas}:{_ALWAYS if self.always else _IDLE}"


NOTHING = Standby()


def standby_of(annotations: Mapping[str, str]) -> Standby:
    """What a revision's annotations ask for; `NOTHING` if nothing, or what can't be read."""
    if LEVEL in annotations:
        try:
            level = Level(annotations[LEVEL])
        except ValueError:
            return NOTHING
        count, when = annotations.get(REPLICAS, "1"), annotations.get(WHEN, _IDLE)
    elif annotations.get(RESERVE, "").lower() == "enable":
        level, count, when = Level.WARM, annotations.get(RESERVE_REPLICAS, "1"), _IDLE
    else:
        return NOTHING
    if level in (Level.NONE, Level.IMPORTED):
        return Standby(level)
    return Standby(level, _count(count) or 1, when == _ALWAYS)


def standby_from(text: str | None) -> Standby:
    """Reads `Standby.text`; `NOTHING` for anything else."""
    parts = (text or "").split(":")
    if len(parts) != 3 or parts[0] not in set(Level) or _count(parts[1], least=0) is None:
        return NOTHING
    return Standby(Level(parts[0]), int(parts[1]), parts[2] == _ALWAYS)


def validate_standby(annotations: Mapping[str, str]) -> list[FieldError]:
    """All that is wrong with a template's standby annotations; the paths are the bare keys."""
    return list(_wrong(annotations))


def standby_notes(annotations: Mapping[str, str]) -> list[str]:
    """Of pods that no revision makes: one sentence for each standby annotation, which does nothing."""
    why = "only revisions of Knative Services are kept on standby, it has no effect"
    return [f"{key}: {why}" for key in (*KEYS, *RESERVE_KEYS) if key in annotations]


def _wrong(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    level = annotations.get(LEVEL)
    if level is not None and level not in set(Level):
        yield _invalid(LEVEL, level, f"one of {', '.join(Level)}")
    when = annotations.get(WHEN)
    if when is not None and when not in (_IDLE, _ALWAYS):
        yield _invalid(WHEN, when, f"{_IDLE} or {_ALWAYS}")
    for key in (REPLICAS, RESERVE_REPLICAS):
        count = annotations.get(key)
        if count is not None and _count(count) is None:
            yield _invalid(key, count, f"a number from 1 to {MOST}")
    reserve = annotations.get(RESERVE)
    if reserve is not None and reserve.lower() not in ("enable", "disable", "false", ""):
        yield _invalid(RESERVE, reserve, "enable or disable")


def _invalid(key: str, value: str, meant: str) -> FieldError:
    return FieldError(f"invalid value: {value}", (key,), f"it must be {meant}")


def _count(text: str, least: int = 1) -> int | None:
    """None: not a whole number, or out of bounds."""
    value = int(text) if text.isascii() and text.isdecimal() else -1
    return value if least <= value <= MOST else None
