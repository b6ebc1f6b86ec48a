"""Routes as the control plane says them, made into what requests are looked up in.

What can't be followed (weights that share out nothing, a rule that looks at nothing) was refused long
before by whoever took the document; should it come here all the same, the rest of the route is served
and the log says what is not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from tidegate.link.gateway import Branch as BranchSaid
from tidegate.link.gateway import Check as CheckSaid
from tidegate.link.gateway import Route
from tidegate.link.gateway import Rule as RuleSaid
from tidegate.link.gateway import Split as SplitSaid
from tidegate.link.gateway import Sticky as StickySaid
from tidegate.routing import (
    BadRule,
    BadWeights,
    Branch,
    Check,
    Count,
    Match,
    Split,
    Sticky,
    Target,
    Way,
    fitting,
    match_of,
    path_match,
)

log = logging.getLogger(__name__)

NOWHERE: Final = ""  # the revision of a route that sends nowhere; none has this key


def target_of(route: Route, was: Target | None) -> Target:
    """The route as it is looked up. `was`: the same route before, whose counting goes on."""
    ways, weights = _ways(route.splits)
    shadows = _shadows(route)
    split = _split(route, weights)
    if was is not None:
        if was.split.weights == split.weights:
            split = was.split  # same shares: go on counting where we were
        if _shares(was.shadows) == _shares(shadows):
            shadows = was.shadows
    return Target(
        route.key,
        route.hosts,
        split,
        route.path_prefix,
        route.trouble,
        path=path_match(route.path, exact=route.path_type == "Exact"),
        models=route.models,
        openai_path=route.openai_path,
        ways=ways,
        rules=tuple(_rules(route)),
        sticky=_sticky(route.sticky),
        shadows=shadows,
        redirect_https=route.redirect_https,
        branches=tuple(_branches(route, () if was is None else was.branches)),
        one_label=route.one_label,
        count=was.count if was is not None else Count(),
    )


def field_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Header lines, each with its end. One that would end a line early is left out and reported."""
    out = b""
    for name, value in headers:
        line = f"{name}: {value}".encode()
        if b"\r" in line or b"\n" in line:
            log.warning("header %r to be added has a line end in it and is not sent", name)
        else:
            out += line + b"\r\n"
    return out


def _ways(splits: Iterable[SplitSaid]) -> tuple[dict[str, Way], list[tuple[str, int]]]:
    """Each way's name, and the weights by name. Ways without headers go by their revision."""
    ways: dict[str, Way] = {}
    weights: list[tuple[str, int]] = []
    for share in splits:
        way = Way(share.revision, field_lines(share.headers))
        name = share.revision + way.head.decode() if way.head else share.revision
        if way.head:
            ways[name] = way
        weights.append((name, share.percent))
    return ways, weights


def _split(route: Route, weights: Sequence[tuple[str, int]]) -> Split:
    try:
        return Split(weights)
    except BadWeights as why:
        if route.trouble is None and not route.branches:
            log.warning("route %s sends nowhere: %s", route.key, why)
        return Split([(NOWHERE, 1)])


def _branches(route: Route, was: Sequence[Branch]) -> Iterable[Branch]:
    """A branch with a check that can't be followed is left out: what it is for must go by no other."""
    for index, said in enumerate(route.branches):
        try:
            checks = tuple(_check(check) for check in said.checks)
        except BadRule as why:
            log.warning("route %s: a branch is left out: %s", route.key, why)
            continue
        ways, weights = _ways(said.splits)
        split = _split(route, weights)
        if index < len(was) and was[index].split.weights == split.weights:
            split = was[index].split
        yield Branch(split, checks, _cut(said), said.rewrite, ways)


def _cut(said: BranchSaid) -> str:
    """What a rewrite replaces."""
    paths = (
        check for check in said.checks if check.on == "path" and check.how in ("exact", "prefix")
    )
    return next((check.value for check in paths if not check.negated), "/")


def _check(said: CheckSaid) -> Check:
    """Raises `BadRule`."""
    header = (said.name or "").lower().encode() if said.on == "header" else None
    return Check(fitting(said.how, said.value), header, said.on == "method", said.negated)


def _rules(route: Route) -> Iterable[tuple[Match, Way]]:
    for rule in route.rules:
        match = _match(route, rule)
        if match is not None:
            yield match, Way(rule.revision, field_lines(rule.headers))


def _match(route: Route, rule: RuleSaid) -> Match | None:
    try:
        return match_of(
            header=rule.header, cookie=rule.cookie, values=rule.values, pattern=rule.pattern
        )
    except BadRule as why:
        log.warning("route %s: a rule to %s is left out: %s", route.key, rule.revision, why)
        return None


def _sticky(said: StickySaid | None) -> Sticky | None:
    if said is None or not (said.header or said.cookie):
        return None
    return Sticky(
        match_of(header=said.header, cookie=None) if said.header else None,
        match_of(header=None, cookie=said.cookie) if said.cookie else None,
    )


def _shadows(route: Route) -> tuple[tuple[Split, str], ...]:
    return tuple(
        (Split([(shadow.revision, share), (NOWHERE, 100 - share)]), shadow.revision)
        for shadow in route.shadow
        if (share := min(max(shadow.percent, 0), 100))
    )


def _shares(shadows: Iterable[tuple[Split, str]]) -> list[dict[str, int]]:
    return [split.weights for split, _ in shadows]
