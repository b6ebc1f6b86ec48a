"""What clients ask, checked. Pure. Raises `BadRequest` that names the field."""

import os
import signal
from collections.abc import Mapping

from tidegate.keeper.errors import BadRequest
from tidegate.link.keeper import SpawnSpec, spawn_from_wire


def spec_of(fields: Mapping[str, object]) -> SpawnSpec:
    """The `spec` of a spawn."""
    raw = fields.get("spec")
    if not isinstance(raw, dict):
        raise BadRequest(f"spec must be an object, not {raw!r}")
    try:
        spec = spawn_from_wire(raw)
    except (TypeError, KeyError) as why:
        raise BadRequest(f"spec is not a SpawnSpec ({why})") from why
    _check("name", raw["name"], _is_text(spec.name) and spec.name != "")
    _check("argv", raw["argv"], _is_argv(raw["argv"]))
    _check("cwd", raw["cwd"], _is_text(spec.cwd))
    _check("env", raw["env"], _is_env(spec.env))
    _check("log", raw["log"], _is_text(spec.log) and os.path.isabs(spec.log))
    _check("log_bytes", spec.log_bytes, _is_count(spec.log_bytes) and spec.log_bytes > 0)
    _check("limits", spec.limits, _are_limits(spec.limits))
    _check("forks", spec.forks, isinstance(spec.forks, bool))
    _check("zygote", spec.zygote, spec.zygote is None or _is_text(spec.zygote))
    _check("patience_s", spec.patience_s, _is_patience(spec.patience_s))
    return spec


def name_of(fields: Mapping[str, object]) -> str:
    name = fields.get("name")
    if not isinstance(name, str):
        raise BadRequest(f"name must be a string, not {name!r}")
    return name


def signal_of(fields: Mapping[str, object]) -> int:
    """By number or by name (`15`, `SIGTERM`)."""
    value = fields.get("signal")
    if isinstance(value, str) and value in signal.Signals.__members__:
        return signal.Signals[value]
    if _is_count(value) and value in signal.valid_signals():
        return int(str(value))
    raise BadRequest(f"signal must be a signal's number or name, not {value!r}")


def part_of(fields: Mapping[str, object], known: tuple[str, ...]) -> str:
    part = fields.get("part")
    if not isinstance(part, str) or part not in known:
        raise BadRequest(f"part must be one of {', '.join(known)}, not {part!r}")
    return part


def _check(field: str, value: object, good: bool) -> None:
    if not good:
        raise BadRequest(f"spec.{field} can't be {value!r}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_patience(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 600


def _is_argv(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and value[:1] not in ([], [""])


def _is_env(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(name) and name and "=" not in name and _is_text(text)
        for name, text in value.items()
    )


def _are_limits(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))
