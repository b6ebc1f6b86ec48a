"""Plain values as YAML that people read: block style, keys in the order given.

Written by hand because it has to read back the same through kubectl, whose rules (`scalars`) decide
what needs quotes, and because a YAML library takes longer to import than this takes to run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tidegate.cli.scalars import NoJsonValue, plain_scalar

_PLAIN = re.compile(r"[A-Za-z0-9_./$][^\x00-\x1f\x7f-\xa0\"'`{}\[\],&*?|<>%@#]*")
_NOT_AS_IT_IS = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_TIME_LIKE = re.compile(r"[-+\d:.TZ]+")  # no number to kubectl, but to other readers
_STEP = "  "


def to_yaml(value: Any) -> str:
    """One YAML document of JSON values. Text that a reader might take for something else is quoted."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{_text(str(key))}:", item, indent)
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, dict | list) and item:
                first, *rest = _lines(item, indent + _STEP)
                yield f"{indent}- {first[len(indent) + len(_STEP) :]}"
                yield from rest
            else:
                yield from _entry(f"{indent}-", item, indent)
    else:
        yield json.dumps(value)  # the whole document is one scalar, [] or {}


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    """A key or a dash with what belongs to it, on its line or on those below."""
    if isinstance(item, list) and item:
        yield head
        yield from _lines(item, indent)  # as kubectl: a list is not indented under its key
    elif isinstance(item, dict) and item:
        yield head
        yield from _lines(item, indent + _STEP)
    elif isinstance(item, str) and _fits_a_block(item):
        yield f"{head} |" if item.endswith("\n") else f"{head} |-"
        for line in item.removesuffix("\n").split("\n"):
            yield f"{indent}{_STEP}{line}" if line else ""
    else:
        yield f"{head} {_text(item) if isinstance(item, str) else json.dumps(item)}"


def _fits_a_block(text: str) -> bool:
    """Whole lines that `|` shows as they are."""
    lines = text.removesuffix("\n").split("\n")
    return (
        (len(lines) > 1 or text.endswith("\n"))
        and lines[0].strip() == lines[0] != ""
        and lines[-1] != ""
        and not any(line.endswith(" ") or _NOT_AS_IT_IS.search(line) for line in lines)
    )


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and not text.endswith((" ", ":")) and ": " not in text:
        try:
            if plain_scalar(text) == text and not _TIME_LIKE.fullmatch(text):
                return text
        except NoJsonValue:
            pass
    quoted = json.dumps(text, ensure_ascii=False)
    return _NOT_AS_IT_IS.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted)
