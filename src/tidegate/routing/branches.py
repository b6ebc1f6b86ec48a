"""The ways of a route that are tried one after the other: by path, method and headers.

What a check sees of the path is what it means, as `paths` has it, without its query.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from tidegate.routing.paths import plain_path
from tidegate.routing.rules import BadRule, headers
from tidegate.routing.split import Split
from tidegate.routing.way import Way

_MOST_CHARACTERS: Final = 4096  # of a value that a pattern is tried on
_KEPT: Final = "/:@!$&'()*+,;=~"  # what a path may hold without an escape (RFC 3986 3.3)


@dataclass(frozen=True, slots=True)
class Asked:
    """What branches look at: the method, the path as it came, and header lines."""

    method: bytes
    target: bytes
    fields: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. `header` None: of the path or the method, as `read` gives it."""

    fits: Callable[[str], bool]
    header: bytes | None = None  # lower case
    of_method: bool = False
    negated: bool = False

    def __call__(self, asked: Asked, path: str) -> bool:
        """Whether the request passes. A header that isn't there passes only a negated check."""
        if self.header is not None:
            found = (_text(value) for value in headers(asked.fields, self.header))
            return any(self.fits(value) for value in found) != self.negated
        value = asked.method.decode("latin-1") if self.of_method else path
        return self.fits(value) != self.negated


@dataclass(frozen=True, slots=True)
class Branch:
    """Requests that pass all checks, and their split. `ways` are those of a `Target`."""

    split: Split
    checks: tuple[Check, ...] = ()
    cut: str = ""  # how the path begins that `put` replaces
    put: str | None = None  # None: the path stays
    ways: Mapping[str, Way] = field(default_factory=dict)

    def __call__(self, asked: Asked, path: str) -> bool:
        """Whether the request is one of its own."""
        return all(check(asked, path) for check in self.checks)

    def rewritten(self, target: bytes, path: str) -> bytes | None:
        """The request target that the replica is sent; None: the same."""
        if self.put is None or self.put == self.cut:
            return None
        bare, mark, query = target.partition(b"?")
        cut = self.cut.encode()
        if bare.startswith(cut):
            rest = bare[len(cut) :]
        else:  # spelled in another way: what it means, spelled in ours
            rest = quote(path[len(self.cut) :], safe=_KEPT, errors="surrogateescape").encode()
        made = self.put.encode() + rest
        return (made if made[:1] == b"/" else b"/" + made) + mark + query


def first_of(branches: Sequence[Branch], asked: Asked) -> tuple[Branch, bytes | None] | None:
    """The branch that has the request, and the target to send if it is another. None: none has it."""
    path = plain_path(asked.target)
    for branch in branches:
        if branch(asked, path):
            return branch, branch.rewritten(asked.target, path)
    return None


def fitting(how: str, value: str) -> Callable[[str], bool]:
    """The comparison of a check. Raises `BadRule`."""
    if how == "exact":
        return value.__eq__
    if how == "prefix":
        return lambda text: text.startswith(value)
    if how == "present":
        return lambda text: True
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError) as why:
        raise BadRule(f"{value!r} is not a regular expression: {why}") from why
    return lambda text: len(text) <= _MOST_CHARACTERS and pattern.fullmatch(text) is not None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
