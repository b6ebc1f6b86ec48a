"""GPU cards of a node, real or simulated, and which of them a pod gets. Pure.

Three ways to ask: whole cards (`nvidia.com/gpu`), memory of a shared card (`aliyun.com/gpu-mem`, GiB,
over `aliyun.com/gpu-count` cards, beside it maybe `aliyun.com/gpu-core.percentage` of them), and MIG slices (`nvidia.com/mig-2g.10gb`). A card serves one way at
a time. Shared cards are filled one after the other (binpack), as ACK's default is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

WHOLE, MEMORY, COUNT = "nvidia.com/gpu", "aliyun.com/gpu-mem", "aliyun.com/gpu-count"
CORES = "aliyun.com/gpu-core.percentage"  # of shared cards, 100 each; means nothing without MEMORY
MIG = "nvidia.com/mig-"
#: On a Node: its cards as JSON. On a Pod: the cards it was given, `0` or `0,1`.
CARDS_NOTE = "tidegate.dev/gpu-cards"
MOST_CARDS = 64
_DEFAULT_GIB = 16
_ALL_CORES = 100
_COMPUTE_SLICES, _MEMORY_SLICES = 7, 8
#: Compute slices -> eighths of the memory, as NVIDIA's A100 and H100 are cut.
_PROFILES: Mapping[int, int] = {1: 1, 2: 2, 3: 4, 4: 4, 7: 8}
_CUTTABLE_GIB = (40, 80)
_ASKED = re.compile(r"^(\d+)(?:x(\d+)(?:GiB|Gi)?)?$")


@dataclass(frozen=True, slots=True)
class Card:
    """`simulated`: it is counted like a real one, and nothing computes on it."""

    index: int
    memory_gib: int
    name: str
    uuid: str
    simulated: bool = False


@dataclass(slots=True)
class _Use:
    """What is taken of one card."""

    whole: bool = False
    gib: Decimal = Decimal(0)
    cores: Decimal = Decimal(0)  # percent
    compute: int = 0
    eighths: int = 0

    @property
    def is_free(self) -> bool:
        return not (self.whole or self.gib or self.compute)


@dataclass(frozen=True, slots=True)
class Holding:
    """What one pod asked for, by resource name, and the indexes of the cards it was given."""

    asked: Mapping[str, Decimal] = field(default_factory=dict)
    cards: tuple[int, ...] = ()


def simulated_cards(text: str) -> tuple[Card, ...]:
    """`4` or `4x15GiB`: so many cards of that size (16 GiB if not said). Raises ValueError."""
    match = _ASKED.match(text.strip())
    count, size = (int(match[1]), int(match[2] or _DEFAULT_GIB)) if match else (0, 0)
    if match is None or count > MOST_CARDS or (count and not 1 <= size <= 1024):
        raise ValueError(
            f"{text!r}: write a number of cards up to {MOST_CARDS}, with or without their memory, as "
            "in 1 or 4x15GiB"
        )
    return tuple(
        Card(i, size, "Simulated-GPU", f"GPU-simulated-{i}", simulated=True) for i in range(count)
    )


def capacity_of(cards: Sequence[Card]) -> dict[str, str | int | float]:
    """What a node with these cards offers, resource by resource; empty without cards."""
    if not cards:
        return {}
    offered: dict[str, str | int | float] = {
        WHOLE: str(len(cards)),
        MEMORY: str(sum(card.memory_gib for card in cards)),
        COUNT: str(len(cards)),
        CORES: str(_ALL_CORES * len(cards)),
    }
    for card in cards:
        for name, (compute, eighths) in _profiles(card).items():
            most = min(_COMPUTE_SLICES // compute, _MEMORY_SLICES // eighths)
            offered[name] = str(int(offered.get(name, 0)) + most)
    return offered


def card_note(cards: Sequence[Card]) -> str:
    """For the Node's annotation."""
    return json.dumps(
        [
            {"memoryGiB": c.memory_gib, "name": c.name, "uuid": c.uuid, "simulated": c.simulated}
            for c in cards
        ]
    )


def cards_of_note(note: str | None) -> tuple[Card, ...]:
    """As `card_note` wrote it; a note that can't be read is no cards."""
    try:
        return tuple(
            Card(i, int(c["memoryGiB"]), str(c["name"]), str(c["uuid"]), bool(c["simulated"]))
            for i, c in enumerate(json.loads(note or "[]"))
        )
    except (ValueError, KeyError, TypeError):
        return ()


def indexes_of(note: str | None) -> tuple[int, ...]:
    """The cards in a pod's annotation."""
    return tuple(int(part) for part in (note or "").split(",") if part.isdecimal())


def is_gpu(resource: str) -> bool:
    return resource in (WHOLE, MEMORY, COUNT, CORES) or resource.startswith(MIG)


def choose_cards(
    cards: Sequence[Card], held: Iterable[Holding], asked: Mapping[str, Decimal]
) -> tuple[tuple[int, ...] | None, str]:
    """The cards that a pod gets: none for one that asks for none. None and the name of the resource
    that is short when there is no room."""
    use = {card.index: _Use() for card in cards}
    by_index = {card.index: card for card in cards}
    for holding in held:
        _take_all(use, by_index, holding)
    given: list[int] = []
    for resource in sorted(name for name in asked if is_gpu(name) and asked[name] > 0):
        found = _room(cards, use, resource, asked)
        if found is None:
            bare = {name: amount for name, amount in asked.items() if name != CORES}
            is_it = resource != MEMORY or _room(cards, use, MEMORY, bare) is None
            return None, resource if is_it else CORES
        for index in found:
            _take(use[index], by_index[index], resource, asked)
        given += found
    return tuple(sorted(set(given))), ""


def environment_of(
    cards: Sequence[Card], given: Sequence[int], asked: Mapping[str, Decimal]
) -> dict[str, str]:
    """What a container learns of its cards; on a node with cards also that it has none."""
    if not cards:
        return {}
    own = [card for card in cards if card.index in given]
    if not own:
        return {"NVIDIA_VISIBLE_DEVICES": "void", "CUDA_VISIBLE_DEVICES": ""}
    indexes = ",".join(str(card.index) for card in own)
    # Nothing computes on a simulated card: a real one must not be taken for it.
    seen = "" if own[0].simulated else ",".join(card.uuid for card in own)
    env = {"NVIDIA_VISIBLE_DEVICES": indexes, "CUDA_VISIBLE_DEVICES": seen}
    if asked.get(MEMORY):
        env["ALIYUN_COM_GPU_MEM_CONTAINER"] = str(int(asked[MEMORY]))
        env["ALIYUN_COM_GPU_MEM_DEV"] = str(own[0].memory_gib)
        env["ALIYUN_COM_GPU_MEM_IDX"] = indexes
    return env


def _room(
    cards: Sequence[Card], use: Mapping[int, _Use], resource: str, asked: Mapping[str, Decimal]
) -> list[int] | None:
    if resource in (COUNT, CORES):  # how the memory is spread and what goes with it
        return [] if asked.get(MEMORY) else None
    each = _each(resource, asked)
    if resource == WHOLE:
        free = [card.index for card in cards if use[card.index].is_free]
        return free[: int(each)] if len(free) >= each else None
    if resource == MEMORY:
        count = max(1, int(asked.get(COUNT, 1)))
        fitting = [card for card in cards if _shares(card, use[card.index], asked)]
        fullest = sorted(fitting, key=lambda c: (-use[c.index].gib, c.index))
        return [card.index for card in fullest[:count]] if len(fullest) >= count else None
    return _slices(cards, use, resource, int(each))


def _slices(
    cards: Sequence[Card], use: Mapping[int, _Use], resource: str, count: int
) -> list[int] | None:
    """A card index per slice. Fills a card before the next."""
    found: list[int] = []
    for card in cards:
        profile, taken = _profiles(card).get(resource), use[card.index]
        if profile is None or taken.whole or taken.gib:
            continue
        compute, eighths = profile
        room = min(
            (_COMPUTE_SLICES - taken.compute) // compute,
            (_MEMORY_SLICES - taken.eighths) // eighths,
        )
        found += [card.index] * min(room, count - len(found))
    return found if len(found) == count else None


def _each(resource: str, asked: Mapping[str, Decimal]) -> Decimal:
    """Of one card: the share of memory, or of cores, that is spread over several."""
    amount = asked.get(resource, Decimal(0))
    return amount / max(1, int(asked.get(COUNT, 1))) if resource in (MEMORY, CORES) else amount


def _shares(card: Card, use: _Use, asked: Mapping[str, Decimal]) -> bool:
    return (
        not use.whole
        and not use.compute
        and use.gib + _each(MEMORY, asked) <= card.memory_gib
        and use.cores + _each(CORES, asked) <= _ALL_CORES
    )


def _take_all(use: Mapping[int, _Use], cards: Mapping[int, Card], holding: Holding) -> None:
    """What a pod has. Of several ways asked for by one pod each is counted on all of its cards."""
    for resource in holding.asked:
        if not is_gpu(resource) or not holding.asked[resource]:
            continue
        known = [index for index in holding.cards if index in use]
        if resource.startswith(MIG):
            rest = int(holding.asked[resource])
            for index in known:
                while rest and _fits(use[index], cards[index], resource):
                    _take(use[index], cards[index], resource, holding.asked)
                    rest -= 1
            continue
        for index in known:
            _take(use[index], cards[index], resource, holding.asked)


def _fits(use: _Use, card: Card, resource: str) -> bool:
    profile = _profiles(card).get(resource)
    return (
        profile is not None
        and use.compute + profile[0] <= _COMPUTE_SLICES
        and use.eighths + profile[1] <= _MEMORY_SLICES
    )


def _take(use: _Use, card: Card, resource: str, asked: Mapping[str, Decimal]) -> None:
    """Its part of one card; of slices, one."""
    if resource == WHOLE:
        use.whole = True
    elif resource == MEMORY:
        use.gib += _each(MEMORY, asked)
        use.cores += _each(CORES, asked)
    elif resource.startswith(MIG):
        compute, eighths = _profiles(card).get(resource, (0, 0))
        use.compute += compute
        use.eighths += eighths


def _profiles(card: Card) -> dict[str, tuple[int, int]]:
    """Resource name -> compute slices and eighths of memory; empty for a card that can't be cut."""
    if card.memory_gib not in _CUTTABLE_GIB:
        return {}
    eighth = card.memory_gib // _MEMORY_SLICES
    return {
        f"{MIG}{compute}g.{eighths * eighth}gb": (compute, eighths)
        for compute, eighths in _PROFILES.items()
    }
