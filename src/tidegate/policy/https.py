"""Which certificate the hosts of a Knative Route or DomainMapping ask for, by annotation or for all.

`tidegate.dev/tls` is the name of a Secret, `true` for one that the engine's own authority makes, or
`false`. With `external-domain-tls` in config-network all have one that do not say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.model import serving_names as names

MADE_HERE: Final = ""
_YES = frozenset(("true", "generated"))
_NO = frozenset(("", "false"))
_OUT = (
    "networking.knative.dev/disable-external-domain-tls",
    "networking.knative.dev/disableAutoTLS",
    "networking.knative.dev/disable-auto-tls",
)


def certificate_of(annotations: Mapping[str, str], *, always: bool = False) -> str | None:
    """The name of the Secret, or `MADE_HERE`; None: no HTTPS. `always`: as external-domain-tls says."""
    said = annotations.get(names.TLS)
    if said is None:
        out = any(annotations.get(key, "").lower() == "true" for key in _OUT)
        return MADE_HERE if always and not out else None
    word = said.strip()
    if word.lower() in _NO:
        return None
    return MADE_HERE if word.lower() in _YES else word
