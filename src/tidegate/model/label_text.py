"""Label selectors as one string, read and written: `app=web,tier in (a,b),!old`. Pure.

Source: apimachinery pkg/labels/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.model.meta import LabelSelector

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"[-A-Za-z0-9_.]*"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")


class BadSelector(ValueError):
    """The text is no label selector."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        super().__init__(
            f'unable to parse requirement in labelSelector "{text}" at position {at}: write terms '
            "like a=b, a!=b, a in (x,y), a notin (x), a, !a, separated by commas"
        )


@dataclass(frozen=True, slots=True)
class LabelTerm:
    """`values` None: only the presence counts. `wanted` False turns it round."""

    key: str
    values: frozenset[str] | None
    wanted: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        if self.values is None:
            return (self.key in labels) is self.wanted
        return (labels.get(self.key) in self.values) is self.wanted


Selector = tuple[LabelTerm, ...]


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether all terms hold; an empty selector selects everything."""
    return all(term.holds(labels) for term in selector)


def parse_selector(text: str) -> Selector:
    """The terms of a label selector; all must hold. Raises `BadSelector`."""
    terms, at = [], 0
    text = text.strip()
    while at < len(text):
        term, at = _label_term(text, at)
        terms.append(term)
        while at < len(text) and text[at] == " ":
            at += 1
        if at < len(text):
            if text[at] != ",":
                raise BadSelector(text, at)
            at += 1
            while at < len(text) and text[at] == " ":
                at += 1
    return tuple(terms)


def _label_term(text: str, at: int) -> tuple[LabelTerm, int]:
    if match := _SET.match(text, at):
        values = frozenset(v.strip() for v in match[3].split(","))
        return LabelTerm(match[1], values, match[2] == "in"), match.end()
    if match := _EQUAL.match(text, at):
        return LabelTerm(match[1], frozenset([match[3]]), match[2] != "!="), match.end()
    if match := _EXISTS.match(text, at):
        return LabelTerm(match[2], None, not match[1]), match.end()
    raise BadSelector(text, at)


def selector_text(selector: LabelSelector) -> str:
    """A LabelSelector as one string, the way `status.selector` of a Scale has it."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        match term.operator:
            case "In" | "NotIn":
                parts.append(
                    f"{term.key} {term.operator.lower()} ({','.join(sorted(term.values))})"
                )
            case "Exists":
                parts.append(term.key)
            case _:
                parts.append(f"!{term.key}")
    return ",".join(parts)
