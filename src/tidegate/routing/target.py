"""One route as requests see it, and which of its revisions a request goes to.

In this order: the first rule that matches, then the split that the caller sticks to, then the weights.
A route with branches has those instead: the first that fits, then its weights.
Most routes have one revision and nothing else to decide: `only` says so, and nobody looks further.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tidegate.routing.branches import Asked, Branch, first_of
from tidegate.routing.paths import EVERYWHERE, PathMatch
from tidegate.routing.rules import Match
from tidegate.routing.split import Split
from tidegate.routing.sticky import stuck_to, value_for
from tidegate.routing.way import Way


@dataclass(frozen=True, slots=True)
class Sticky:
    """By what callers are told apart: a header (lower case), else a cookie, which is set if missing."""

    header: Match | None = None
    cookie: Match | None = None


class Chosen(NamedTuple):
    """Where one request goes."""

    way: Way
    set_cookie: bytes | None  # `name=value` for the answer; None: nothing to set
    shadows: tuple[str, ...]  # revisions that get a copy
    target: bytes | None = None  # what the replica is asked for; None: what the client asked for


@dataclass(slots=True)
class Count:
    """What came to a route since somebody last looked. Counted by the gateway."""

    requests: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """A route as requests see it. `split` is shared by all requests of the route."""

    key: str
    hosts: tuple[str, ...]  # lower case; `*.x`: labels before `.x`, see `one_label`; "": any
    split: Split  # of names in `ways`, or of revisions where those have no ways of their own
    path_prefix: str | None = None  # `/<namespace>/<name>`; None: reached by host only
    trouble: str | None = None  # why nothing serves it yet
    path: PathMatch = EVERYWHERE  # the part of its hosts that it serves
    models: tuple[str, ...] = ()  # names that the OpenAI API of our own address knows it by
    openai_path: str = "/v1"  # where its server has that API
    ways: Mapping[str, Way] = field(default_factory=dict)
    rules: tuple[tuple[Match, Way], ...] = ()
    sticky: Sticky | None = None
    shadows: tuple[tuple[Split, str], ...] = ()  # chooses its revision for requests to be copied
    redirect_https: bool = False
    branches: tuple[Branch, ...] = ()
    one_label: bool = False  # its wildcards stand for exactly one label, else for one or more
    count: Count = field(default_factory=Count, compare=False)
    plain: bool = field(init=False)  # `split` says it all, in revisions
    only: str | None = field(init=False)  # the revision of all requests; None: there's a choice

    def __post_init__(self) -> None:
        more = any((self.ways, self.rules, self.sticky, self.shadows, self.branches))
        more = more or self.redirect_https
        object.__setattr__(self, "plain", not more)
        object.__setattr__(self, "only", None if more else self.split.only)

    def choose(self, fields: Sequence[bytes], new_id: Callable[[], str]) -> Chosen:
        """Where a request with these header lines goes. `new_id` makes the value of a cookie that is
        to be set; it must be another each time."""
        shadows = tuple(name for split, name in self.shadows if split.choose() == name)
        for match, way in self.rules:
            if match(fields):
                return Chosen(way, None, shadows)
        name, cookie = self._share(fields, new_id)
        return Chosen(self.ways.get(name) or Way(name), cookie, shadows)

    def branch_for(self, asked: Asked) -> Chosen | None:
        """Where a request goes by the route's branches; None: no branch has it."""
        found = first_of(self.branches, asked)
        if found is None:
            return None
        branch, target = found
        name = branch.split.choose()
        return Chosen(branch.ways.get(name) or Way(name), None, (), target)

    def _share(
        self, fields: Sequence[bytes], new_id: Callable[[], str]
    ) -> tuple[str, bytes | None]:
        sticky = self.sticky
        if sticky is None:
            return self.split.choose(), None
        for match in (sticky.header, sticky.cookie):
            value = next(match.found(fields), None) if match is not None else None
            if value:
                return stuck_to(self.split.weights, value), None
        name = self.split.choose()
        if sticky.cookie is None:
            return name, None
        value = value_for(self.split.weights, name, new_id()).encode()
        return stuck_to(self.split.weights, value), sticky.cookie.name + b"=" + value
