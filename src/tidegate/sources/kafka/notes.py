"""What is kept in a commit's metadata string beside the offset: events finished beyond it, and tries.

An offset alone says "all before this is finished". With many events in flight that throws away what
is finished beyond the first unfinished one, and it knows nothing of tries. Kafka keeps a string of
4,096 bytes (`offset.metadata.max.bytes`) with each committed offset, written in the same instant, so
that offset, finished events and tries never disagree.

Format `tg1:` + base64url of varints, all counted from the committed offset on:
runs of finished offsets (how many; then for each: gap since the end of the one before, length), then
tries (how many; then for each: gap since the offset before, 2 x tries, plus 1 if its last one is under way).

Source: the idea is that of Confluent's parallel consumer (OffsetMapCodecManager); the format is ours.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "tg1:"
MOST_CHARS: Final = 4000
"""A little under the 4,096 bytes that brokers take by default."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How often an event was tried. `under_way`: how the last of them ended isn't known."""

    made: int
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    """What is known beyond a committed offset. `finished`: runs (first, end), end excluded, sorted."""

    finished: tuple[tuple[int, int], ...] = ()
    tries: tuple[tuple[int, Tries], ...] = ()


def write_notes(base: int, notes: Notes, *, most_chars: int = MOST_CHARS) -> str:
    """The string to commit with offset `base`. Where all doesn't fit, the furthest finished runs are
    left out (those events would be repeated after a crash), and only then the furthest tries."""
    finished, tries = list(notes.finished), list(notes.tries)
    while True:
        text = PREFIX + _packed(base, finished, tries)
        if len(text) <= most_chars or not (finished or tries):
            return text
        longest = finished or tries
        del longest[-max(1, len(longest) // 8) :]


def read_notes(base: int, text: str | None) -> Notes | None:
    """What `write_notes` wrote. None: not ours, or damaged; then nothing is known but the offset."""
    if not text or not text.startswith(PREFIX):
        return None
    packed = text[len(PREFIX) :]
    try:
        numbers = _varints(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        finished, at = [], base
        for _ in range(next(numbers)):
            first = at + next(numbers)
            at = first + next(numbers)
            finished.append((first, at))
        tries, at = [], base
        for _ in range(next(numbers)):
            at += next(numbers)
            word = next(numbers)
            tries.append((at, Tries(word >> 1, under_way=bool(word & 1))))
    except (StopIteration, binascii.Error, ValueError):
        return None
    return Notes(tuple(finished), tuple(tries))


def _packed(
    base: int, finished: Sequence[tuple[int, int]], tries: Sequence[tuple[int, Tries]]
) -> str:
    numbers, at = [len(finished)], base
    for first, end in finished:
        numbers += (first - at, end - first)
        at = end
    numbers.append(len(tries))
    at = base
    for offset, each in tries:
        numbers += (offset - at, each.made << 1 | each.under_way)
        at = offset
    packed = bytearray()
    for number in numbers:
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _varints(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
