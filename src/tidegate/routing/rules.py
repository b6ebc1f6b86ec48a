"""Which requests go their own way: by the value of a header or a cookie.

Request fields are lines as they came, `Name: value`, so that requests of routes without rules are not
taken apart for those that have some.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_MOST_CHARACTERS: Final = 4096  # of a value that a pattern is tried on


class BadRule(ValueError):
    """A rule that can't be followed."""


@dataclass(frozen=True, slots=True)
class Match:
    """The condition of one rule. `name` is a header's in lower case, or a cookie's as written.

    True when the value is one of `values`, or `pattern` is found in it; with neither, when there is
    a value at all.
    """

    name: bytes
    cookie: bool = False
    values: frozenset[bytes] = frozenset()
    pattern: re.Pattern[str] | None = None

    def __call__(self, fields: Sequence[bytes]) -> bool:
        """Whether the request with these fields is meant."""
        return any(self._meant(value) for value in self.found(fields))

    def found(self, fields: Sequence[bytes]) -> Iterator[bytes]:
        """The values that the request has."""
        return cookies(fields, self.name) if self.cookie else headers(fields, self.name)

    def _meant(self, value: bytes) -> bool:
        if self.pattern is None:
            return not self.values or value in self.values
        if value in self.values:
            return True
        text = value[:_MOST_CHARACTERS].decode("utf-8", "surrogateescape")
        return len(value) <= _MOST_CHARACTERS and self.pattern.search(text) is not None


def match_of(
    *,
    header: str | None,
    cookie: str | None,
    values: Iterable[str] = (),
    pattern: str | None = None,
) -> Match:
    """The condition as the control plane says it. Raises `BadRule`."""
    if (header is None) == (cookie is None):
        raise BadRule("a rule looks at a header or at a cookie: name exactly one of them")
    try:
        compiled = None if pattern is None else re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as why:
        raise BadRule(f"{pattern!r} is not a regular expression: {why}") from why
    wanted = frozenset(value.encode() for value in values)
    if cookie is not None:
        return Match(cookie.encode(), cookie=True, values=wanted, pattern=compiled)
    assert header is not None
    return Match(header.lower().encode(), values=wanted, pattern=compiled)


def headers(fields: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """The values of a header, one for each line of it. `name` is in lower case."""
    length = len(name)
    for line in fields:
        if line[length : length + 1] == b":" and line[:length].lower() == name:
            yield line[length + 1 :].strip(b" \t")


def cookies(fields: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """The values of a cookie (RFC 6265 4.2: `a=b; c=d`)."""
    for line in headers(fields, b"cookie"):
        for pair in line.split(b";"):
            key, equals, value = pair.strip(b" \t").partition(b"=")
            if equals and key == name:
                yield value
