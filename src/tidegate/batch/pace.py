"""How many requests at once: as many as make rows go faster, fewer at once when there is no room. Pure.

Additive increase, multiplicative decrease, judged by throughput and not by latency alone: rows differ in
how long they take (an LLM's do by a factor of a hundred), so one slow answer says nothing. An epoch is
so many answers that each of the requests in flight had two; if a larger number in flight served no more
rows a second, the smaller one is taken again and held for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_FIRST: Final = (
    4  # few enough for any server; from 1, rows of a minute would take half an hour to fill it
)
_CUT: Final = 0.7
_CUT_PAUSE_S: Final = 0.5  # several refusals at once are one
_LEAST_EPOCH_S: Final = 0.25
_BETTER: Final = 1.05  # less than this is noise


class _Mood(IntEnum):
    """What is being measured, and over how many epochs: single ones are too noisy for small steps."""

    DOUBLING = 2  # nothing has spoken against it yet
    TRIAL = 4  # whether a few more serve more
    HOLDING = 10  # what the present number serves


@dataclass(slots=True)
class Pace:
    """Owned by the runner. `fixed` None: adapts, up to `most`."""

    most: int = 256
    fixed: int | None = None
    limit: int = _FIRST
    _mood: _Mood = _Mood.DOUBLING
    _epochs: int = 0
    _answers: int = 0  # of this epoch
    _counted: int = 0  # of all epochs of this mood
    _began_s: float | None = None  # the mood
    _epoch_s: float = 0.0
    _base_per_s: float = 0.0  # what the number before this one served
    _before: int = 1  # that number
    _cut_s: float = -1e9

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.most) if self.fixed is None else self.fixed

    def answered(self, now_s: float) -> None:
        """A row's request was served."""
        if self.fixed is not None:
            return
        if self._began_s is None:
            self._began_s = self._epoch_s = now_s
            return
        self._answers += 1
        if self._answers < 2 * self.limit or now_s - self._epoch_s < _LEAST_EPOCH_S:
            return
        self._epochs += 1
        self._counted += self._answers
        self._answers, self._epoch_s = 0, now_s
        if self._epochs >= self._mood:
            self._judge(self._counted / (now_s - self._began_s))

    def refused(self, now_s: float) -> None:
        """There was no room, or nobody there."""
        if self.fixed is not None or now_s - self._cut_s < _CUT_PAUSE_S:
            return
        self._cut_s = now_s
        self._begin(_Mood.HOLDING, max(1, int(self.limit * _CUT)))

    def _judge(self, per_s: float) -> None:
        if self._mood is _Mood.HOLDING:
            self._base_per_s, self._before = per_s, self.limit
            self._begin(_Mood.TRIAL, min(self.most, self.limit + max(1, self.limit // 8)))
        elif per_s >= self._base_per_s * _BETTER:
            self._base_per_s, self._before = per_s, self.limit
            step = self.limit if self._mood is _Mood.DOUBLING else max(1, self.limit // 8)
            self._begin(self._mood, min(self.most, self.limit + step))
        else:
            self._begin(_Mood.HOLDING, self._before)

    def _begin(self, mood: _Mood, limit: int) -> None:
        self._mood, self.limit = mood, limit
        self._epochs = self._answers = self._counted = 0
        self._began_s = None
