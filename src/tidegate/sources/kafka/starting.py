"""How processes of this room start, and with which codes they refuse to.

0 ended after SIGTERM; 2 the environment is wrong (one line on stderr says what); 3 the extra `kafka` is
not installed.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import uvloop

from tidegate.sources.kafka.settings import SettingsProblem


def started(program: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run what `program` returns until it ends; the process's exit code."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        uvloop.run(program())
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "aiokafka":
            raise
        sys.stderr.write("aiokafka is not installed: pip install 'tidegate[kafka]'\n")
        return 3
    except (SettingsProblem, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


def address_from(environ: Mapping[str, str]) -> tuple[str, int]:
    """Where to serve: `PORT`, on loopback unless `TIDEGATE_HOST` says otherwise. Raises `SettingsProblem`."""
    text = environ.get("PORT", "8080")
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SettingsProblem(f"PORT is {text!r}, not a port's number")
    return environ.get("TIDEGATE_HOST") or "127.0.0.1", int(text)


def seconds_from(environ: Mapping[str, str], name: str, usual_s: float) -> float:
    """A number of seconds, at least 0. Raises `SettingsProblem`."""
    text = environ.get(name) or str(usual_s)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86_400:
        raise SettingsProblem(f"{name} is {text!r}, not a number of seconds")
    return seconds
