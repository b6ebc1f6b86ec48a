"""Who is hit in a chaos run, and when: the same seed makes the same plan. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PARTS = ("keeper", "gateway", "control_plane")
POD, DEPLOY = "pod", "deploy"
ZYGOTE = "zygote"  # one that waits, and the child that it has ready
BIRTH = "birth"  # a forked pod, and the zygote while it makes the next one
AT_REST = "at_rest"  # a frozen pod
FETCH = "fetch"  # the process that fetches a model
BATCH = "batch"  # a batch run, started again at once
ADAPTER = "adapter"  # a pod of a KafkaSource
FULL = "full"  # no byte may be written while the others of its step are hit

BASIC = (*PARTS, POD, DEPLOY)


@dataclass(frozen=True, slots=True)
class Step:
    """After a pause: hit these, one shortly after the other."""

    after_s: float
    what: tuple[str, ...]
    apart_s: float = 0.0


def plan(seed: int, cast: Sequence[str] = BASIC) -> Iterator[Step]:
    """The steps of a seed, without end: one of the cast, two at once, or all three parts."""
    dice = random.Random(seed)
    while True:
        after_s = dice.uniform(0.3, 4.0)
        roll = dice.random()
        if roll < 0.6:
            what: tuple[str, ...] = (dice.choice(cast),)
        elif roll < 0.95:
            what = tuple(dice.sample(cast, 2))
        else:
            what = tuple(dice.sample(PARTS, 3))
        if FULL in what:
            others = tuple(one for one in what if one != FULL)
            what = (FULL, *(others or (dice.choice((*PARTS, POD)),)))
        yield Step(after_s, what, dice.choice((0.0, dice.uniform(0.0, 0.5))))
