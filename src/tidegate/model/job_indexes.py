"""Sets of completion indexes as a Job's status writes them: `0,2-4,9`. Pure.

Kept as intervals, so that a Job with a hundred thousand completions costs what it has gaps.

Source: kubernetes pkg/controller/job/indexed_job_utils.go, pkg/apis/batch/validation (`parseIndexInterval`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class BadIndexes(ValueError):
    """A text that is no such set. Says what is wrong as Kubernetes does."""


@dataclass(frozen=True, slots=True)
class Indexes:
    """`spans` are (first, last), in order, with a gap between any two."""

    spans: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.spans)

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int):
            return False
        at = bisect_right(self.spans, (index, float("inf"))) - 1
        return at >= 0 and self.spans[at][0] <= index <= self.spans[at][1]

    def __or__(self, other: Indexes) -> Indexes:
        return _joined((*self.spans, *other.spans))

    def __and__(self, other: Indexes) -> Indexes:
        return Indexes(
            tuple(
                (max(a, c), min(b, d))
                for a, b in self.spans
                for c, d in other.spans
                if max(a, c) <= min(b, d)
            )
        )

    def __str__(self) -> str:
        return ",".join(map(_span_text, self.spans))

    def missing(self, below: int) -> Iterator[int]:
        """The indexes from 0 up to `below` that are not in it, in order."""
        at = 0
        for first, last in self.spans:
            yield from range(at, min(first, below))
            at = max(at, last + 1)
        yield from range(at, below)


def indexes_of(numbers: Iterable[int]) -> Indexes:
    return _joined((number, number) for number in numbers)


def read_indexes(text: str | None, completions: int) -> Indexes:
    """Of a status that was written before: what can't be read, or is beyond, is left out."""
    spans: list[tuple[int, int]] = []
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (not last or last.isdecimal()):
            low, high = int(first), min(int(last or first), completions - 1)
            if low <= high:
                spans.append((low, high))
    return _joined(spans)


def parse_indexes(text: str, completions: int) -> Indexes:
    """Of a document, strictly. Raises `BadIndexes`."""
    spans: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        low, high = _span(part, completions)
        if spans and spans[-1][1] >= low:
            raise BadIndexes(f"non-increasing order, previous: {spans[-1][1]}, current: {low}")
        spans.append((low, high))
    return _joined(spans)


def _span(part: str, completions: int) -> tuple[int, int]:
    limits = part.split("-")
    if len(limits) > 2:
        raise BadIndexes(
            f'the fragment "{part}" violates the requirement that an index interval can have at '
            "most two parts separated by '-'"
        )
    numbers = []
    for limit in limits:
        if not limit.isdecimal():
            raise BadIndexes(f'cannot convert string to integer for index: "{limit}"')
        if int(limit) >= completions:
            raise BadIndexes(f'too large index: "{limit}"')
        numbers.append(int(limit))
    low, high = numbers[0], numbers[-1]
    if len(numbers) > 1 and low >= high:
        raise BadIndexes(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def _span_text(span: tuple[int, int]) -> str:
    """Two neighbours are written with a comma, as upstream writes them."""
    first, last = span
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def _joined(spans: Iterable[tuple[int, int]]) -> Indexes:
    out: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return Indexes(tuple(out))
