"""What a plain YAML scalar means to Kubernetes.

kubectl reads YAML as go-yaml v2 does, which is neither YAML 1.1 nor 1.2: `0644` is octal (as in
`defaultMode: 0644`), `yes` and `on` are true, `1:30` and dates stay text. A document must mean the
same here and there, so the rules are go-yaml's (`resolve.go`), not our parser's.
"""

from __future__ import annotations

import re

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class NoJsonValue(ValueError):
    """Infinity and NaN are YAML numbers that JSON, and so the API, can't carry."""


def plain_scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar. Raises `NoJsonValue`."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    digits = text.replace("_", "")
    if _INT.fullmatch(digits):
        return _integer(digits)
    if _FLOAT.fullmatch(digits):
        return float(digits)
    if _NOT_A_NUMBER.fullmatch(text):
        raise NoJsonValue(f"{text} is no number in JSON: write it in quotes if it is text")
    return text


def _integer(digits: str) -> int:
    bare = digits.lstrip("+-").lower()
    sign = -1 if digits[0] == "-" else 1
    if bare[:2] in ("0x", "0o", "0b"):
        return sign * int(bare, 0)
    return sign * int(bare, 8 if bare[0] == "0" else 10)
