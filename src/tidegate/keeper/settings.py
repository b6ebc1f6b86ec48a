"""What `tidegate up` asked for, as the keeper needs it."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.keeper.errors import BadSettings
from tidegate.keeper.table import write_whole

Address = tuple[str, int]  # a port of 0 is to be picked

_PARTS = {
    "gateway": (sys.executable, "-m", "tidegate.gateway"),
    "control_plane": (sys.executable, "-m", "tidegate.app"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """`addresses` and `optional` by socket name, `parts` by part name; `raw` is the whole file, for
    writing back. An optional address is listened on where that is possible, and done without elsewhere."""

    addresses: Mapping[str, Address]
    optional: Mapping[str, Address]
    parts: Mapping[str, tuple[str, ...]]
    raw: Mapping[str, object]


def read_settings(path: Path) -> Settings:
    """Raises `BadSettings`."""
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        raise BadSettings(str(path), "there is no such file") from None
    except (OSError, ValueError) as why:
        raise BadSettings(str(path), str(why)) from why
    if not isinstance(raw, dict):
        raise BadSettings(str(path), "it must hold one JSON object")
    parts = raw.get("parts") or {}
    if not isinstance(parts, dict):
        raise BadSettings(str(path), "parts must be an object")
    return Settings(
        addresses={
            "gateway": (_host(path, raw, "host"), _port(path, raw, "port")),
            "api": (_host(path, raw, "api_host"), _port(path, raw, "api_port")),
        },
        optional=_optional(path, raw.get("optional") or {}),
        parts={name: _argv(path, name, parts.get(name, argv)) for name, argv in _PARTS.items()},
        raw=raw,
    )


def write_addresses(path: Path, settings: Settings, addresses: Mapping[str, Address]) -> None:
    """Put the ports that were picked into the file; everything else in it stays."""
    optional = {
        name: list(addresses.get(name, address)) for name, address in settings.optional.items()
    }
    fresh = {
        **settings.raw,
        **({"optional": optional} if optional else {}),
        "host": addresses["gateway"][0],
        "port": addresses["gateway"][1],
        "api_host": addresses["api"][0],
        "api_port": addresses["api"][1],
    }
    if fresh != settings.raw:
        write_whole(path, json.dumps(fresh, indent=2) + "\n")


def _optional(path: Path, value: object) -> dict[str, Address]:
    if not isinstance(value, dict):
        raise BadSettings(str(path), f"optional must be an object, not {value!r}")
    found: dict[str, Address] = {}
    for name, address in value.items():
        if not isinstance(address, list) or len(address) != 2 or name in ("gateway", "api"):
            raise BadSettings(str(path), f"optional.{name} must be [host, port] of another socket")
        at = {"host": address[0], "port": address[1]}
        found[str(name)] = _host(path, at, "host"), _port(path, at, "port")
    return found


def _host(path: Path, raw: Mapping[str, object], name: str) -> str:
    value = raw.get(name, "127.0.0.1")
    if not isinstance(value, str) or not value:
        raise BadSettings(str(path), f"{name} must be an IP address, not {value!r}")
    return value


def _port(path: Path, raw: Mapping[str, object], name: str) -> int:
    value = raw.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65_535:
        raise BadSettings(str(path), f"{name} must be a port from 0 to 65535, not {value!r}")
    return value


def _argv(path: Path, name: str, value: object) -> tuple[str, ...]:
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(a, str) for a in value)
    ):
        raise BadSettings(str(path), f"parts.{name} must be a list of strings, not {value!r}")
    return tuple(value)
