"""The nginx ingress controller's annotations: what a canary says, and which others have no effect.

Source: ingress-nginx internal/ingress/annotations/canary/main.go and rootfs/etc/nginx/lua/balancer.lua
(`route_to_alternative_balancer`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PREFIX = "nginx.ingress.kubernetes.io/"
_CANARY = f"{PREFIX}canary"
_PROTOCOL = f"{PREFIX}backend-protocol"
_GRPC = "GRPC"
_ANY_CONTROLLERS = "ingress.kubernetes.io/"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_TOTAL = 100
_WHOLE = re.compile(r"[+-]?\d+")
#: What these ask for is what happens anyway.
_MET = {
    _PROTOCOL: frozenset({"HTTP", "AUTO_HTTP", _GRPC}),  # see `speaks_grpc`
    f"{PREFIX}proxy-buffering": frozenset({"off"}),
    f"{PREFIX}proxy-request-buffering": frozenset({"off"}),
    f"{PREFIX}proxy-body-size": frozenset({"0", "0m"}),
    f"{PREFIX}ssl-redirect": _TRUE | _FALSE,  # see `redirects_to_https`
    f"{PREFIX}force-ssl-redirect": _TRUE | _FALSE,
    f"{PREFIX}use-regex": _FALSE,
}


@dataclass(frozen=True, slots=True)
class Canary:
    """Which requests of the main Ingress go to this one: by header, else by cookie, else by weight.

    A `header` (None: none) decides by `value` if that is given, else by `pattern`, which may match
    anywhere in it, else by the words always and never; so does a `cookie`.
    """

    weight: int = 0
    total: int = _TOTAL
    header: str | None = None
    value: str | None = None
    pattern: str | None = None
    cookie: str | None = None

    @property
    def takes_any(self) -> bool:
        """Whether there is a request that would go there."""
        return self.weight > 0 or self.header is not None or self.cookie is not None


def canary_of(annotations: Mapping[str, str]) -> Canary | None:
    """What the annotations of an Ingress say; None: it isn't a canary. What can't be read counts as
    not said (`nginx_notes` names it), as nginx takes it."""
    if annotations.get(_CANARY) not in _TRUE:
        return None
    header = annotations.get(f"{_CANARY}-by-header") or None
    value = annotations.get(f"{_CANARY}-by-header-value") or None
    pattern = annotations.get(f"{_CANARY}-by-header-pattern") or None
    if pattern is not None and _bad_pattern(pattern) is not None:
        pattern = None
    total = max(_TOTAL, _number(annotations.get(f"{_CANARY}-weight-total")) or _TOTAL)
    weight = max(0, _number(annotations.get(f"{_CANARY}-weight")) or 0)
    return Canary(
        weight=min(weight, total),
        total=total,
        header=header,
        value=value if header else None,
        pattern=pattern if header and not value else None,
        cookie=annotations.get(f"{_CANARY}-by-cookie") or None,
    )


def speaks_grpc(annotations: Mapping[str, str]) -> bool:
    """Whether the Services behind the Ingress are to be spoken to in HTTP/2, which gRPC needs."""
    return annotations.get(_PROTOCOL) == _GRPC


def redirects_to_https(annotations: Mapping[str, str], *, has_tls: bool) -> bool:
    """Whether plain HTTP is sent to HTTPS: by default where the Ingress has a certificate for the host."""
    if annotations.get(f"{PREFIX}force-ssl-redirect") in _TRUE:
        return True
    return has_tls and annotations.get(f"{PREFIX}ssl-redirect") not in _FALSE


def nginx_notes(annotations: Mapping[str, str]) -> Iterator[str]:
    """What the author should know about ingress controllers' annotations, key first."""
    is_canary = annotations.get(_CANARY) in _TRUE
    for key, value in sorted(annotations.items()):
        if not key.partition("/")[0].endswith(_ANY_CONTROLLERS.rstrip("/")):
            continue
        if key.startswith(_CANARY):
            note = _canary_note(key, value, annotations, is_canary)
        elif value in _MET.get(key, ()):
            note = None
        elif is_canary:
            note = "ignored on a canary, whose main Ingress decides"
        else:
            note = "known to ingress controllers, but not honoured on this machine"
        if note is not None:
            yield f"[{key}]: {note}"


def _canary_note(
    key: str, value: str, annotations: Mapping[str, str], is_canary: bool
) -> str | None:
    what = key.removeprefix(_CANARY)
    if what == "":
        return None if value in _TRUE | _FALSE else f'"{value}" is neither true nor false: ignored'
    if not is_canary:
        return f'has no effect without {_CANARY}: "true"'
    match what:
        case "-weight" | "-weight-total":
            number = _number(value)
            if number is None or number < 0:
                return f'"{value}" is no whole number from 0 on: ignored'
            if what == "-weight-total" and number < _TOTAL:
                return f"less than {_TOTAL}, which is the least: {_TOTAL} is taken"
        case "-by-header-value" | "-by-header-pattern":
            if not annotations.get(f"{_CANARY}-by-header"):
                return f"has no effect without {_CANARY}-by-header"
            if what == "-by-header-pattern":
                if annotations.get(f"{_CANARY}-by-header-value"):
                    return f"ignored, because {_CANARY}-by-header-value is set"
                bad = _bad_pattern(value)
                return None if bad is None else f"{bad}: ignored"
        case "-by-header" | "-by-cookie":
            pass
        case _:
            return "known to ingress controllers, but not honoured on this machine"
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None


def _bad_pattern(text: str) -> str | None:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as why:
        return f'"{text}" is not a regular expression ({why})'
    return None
