"""`$(NAME)` in commands, arguments and environment values, as Kubernetes expands it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

UNKNOWN_REFERENCE = re.compile(r"\$\([^)]*\)")
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value, an unknown name stays as it is, `$$` becomes `$`.

    A single `$` that starts neither stays too. Source: kubernetes third_party/forked/golang/expansion.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return known.get(match[2], match[0])

    return _REFERENCE.sub(value, text)
