"""The machine's own time zone, by name, so that its summer time is known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LINK = Path("/etc/localtime")


def local_zone(environ: Mapping[str, str] = os.environ, link: Path = _LINK) -> tzinfo:
    """TZ, else what /etc/localtime is, else UTC. A name that nothing is known of counts as absent."""
    for name in (environ.get("TZ", "").lstrip(":"), _name_of(link)):
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return ZoneInfo("UTC")


def _name_of(link: Path) -> str:
    """`Europe/Berlin` of /usr/share/zoneinfo/Europe/Berlin."""
    try:
        parts = link.resolve().parts
    except OSError:
        return ""
    if "zoneinfo" not in parts:
        return ""
    return "/".join(parts[parts.index("zoneinfo") + 1 :])
