"""The flags of KServe's Python model servers, read into a plan.

KServe ignores flags it doesn't know; here each one is honoured, reported as without effect, or refused
by name. What only says how a server logs or spreads its work is no reason not to serve.
Source: kserve python/kserve/kserve/model_server.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.runtimes.backend import Backend
from tidegate.runtimes.errors import BadFlag
from tidegate.runtimes.grpc_plan import GrpcPlan
from tidegate.runtimes.start import Plan

_TRANSFORMER = "a transformer's flag: this server is a predictor, leave it out"
_LOGS = "logs go to stdout and stderr as lines"

HONOURED = (
    "model_name",
    "model_dir",
    "http_port",
    "max_asyncio_workers",
    "nthread",
    "max_buffer_size",
    "enable_grpc",
    "grpc_port",
    "grpc_max_send_message_length",
    "grpc_max_receive_message_length",
)
GRPC_PORT = "TIDEGATE_GRPC_PORT"
"""The variable that says where gRPC's own port, 8081, is on this machine: set by the node, which makes
it true when the document declares that port."""
WITHOUT_EFFECT: Mapping[str, tuple[str | None, str]] = {
    "workers": ("1", "one process is one replica here: scale the service instead"),
    "enable_docs_url": ("false", "there is no page of docs"),
    "enable_latency_logging": ("false", "requests are not logged"),
    "configure_logging": ("true", _LOGS),
    "max_threads": (None, "calls run on max_asyncio_workers threads"),
    "log_config_file": (None, _LOGS),
    "access_log_format": (None, _LOGS),
}
"""Flags that are taken and not followed, with the value that holds here (None: no value does), and why."""
REFUSED: Mapping[str, str] = dict.fromkeys(
    (
        "predictor_host",
        "predictor_protocol",
        "predictor_use_ssl",
        "predictor_request_timeout_seconds",
        "predictor_request_retries",
        "enable_predictor_health_check",
        "protocol",
    ),
    _TRANSFORMER,
)
_GRPC_SIZES = ("grpc_max_send_message_length", "grpc_max_receive_message_length")
_FALSE = ("n", "no", "f", "false", "off", "0")
_TRUE = ("y", "yes", "t", "true", "on", "1")


@dataclass(frozen=True, slots=True)
class KServePlan:
    """What to serve and where."""

    model_name: str
    model_dir: str
    host: str
    port: int
    parallel: int  # predictions at once
    threads: int  # of the math libraries, for one prediction
    max_body_bytes: int | None  # None: no limit, as in KServe today
    grpc_port: int | None = None  # None: no gRPC
    grpc_bytes: int | None = None  # of one message; None: KServe's 8 MiB
    without_effect: tuple[str, ...] = ()  # a sentence each

    def server(self, program: str, load: Callable[[], Backend]) -> Plan:
        """The server to start, with what `load` makes. Says on stderr what has no effect."""
        for said in self.without_effect:
            sys.stderr.write(f"{program}: {said}\n")
        grpc = None
        if self.grpc_port is not None:
            grpc = GrpcPlan(self.grpc_port, "v2", most_bytes=self.grpc_bytes)
        return Plan(
            program,
            self.model_name,
            self.host,
            self.port,
            load,
            max_body_bytes=self.max_body_bytes,
            grpc=grpc,
        )


def read_kserve_flags(argv: Sequence[str], environ: Mapping[str, str], *, cpus: int) -> KServePlan:
    """The plan. PORT is the port when `--http_port` is not given. Raises `BadFlag`.

    KServe listens on every address, which in a container are the pod's own. Here they would be the
    machine's, so it is loopback unless TIDEGATE_HOST says otherwise.
    """
    seen = _split(argv)
    for name in seen:
        if name in REFUSED:
            raise BadFlag(f"--{name}", REFUSED[name])
        if name not in HONOURED and name not in WITHOUT_EFFECT:
            raise BadFlag(f"--{name}", f"not a flag of this server: it takes {', '.join(HONOURED)}")
    if "model_dir" not in seen:
        raise BadFlag("--model_dir", "missing: give the folder (or file) of the model")
    limit = seen.get("max_buffer_size")
    sizes = [_number(seen, name, "1") for name in _GRPC_SIZES if name in seen]
    return KServePlan(
        model_name=seen.get("model_name", "model"),
        model_dir=seen["model_dir"].removeprefix("file://"),
        host=environ.get("TIDEGATE_HOST") or "127.0.0.1",
        port=_number(seen, "http_port", environ.get("PORT") or "8080"),
        parallel=_number(seen, "max_asyncio_workers", str(cpus)),
        threads=_number(seen, "nthread", "1"),
        max_body_bytes=_number(seen, "max_buffer_size", "") if limit is not None else None,
        grpc_port=_grpc_port(seen, environ),
        grpc_bytes=max(sizes, default=None),
        without_effect=tuple(_unheeded(seen)),
    )


def _unheeded(seen: Mapping[str, str]) -> Iterator[str]:
    for name, value in seen.items():
        only, why = WITHOUT_EFFECT.get(name, (value, ""))
        if only is None or not _same(value, only):
            yield f"--{name}={value} has no effect: {why}"


def _grpc_port(seen: Mapping[str, str], environ: Mapping[str, str]) -> int | None:
    """KServe's servers speak gRPC on 8081 unasked; here where somebody says a port for it."""
    said = seen.get("enable_grpc", "true").lower()
    if said not in _TRUE and said not in _FALSE:
        raise BadFlag("--enable_grpc", f"{said!r} is neither true nor false")
    if said in _FALSE:
        return None
    if "grpc_port" in seen:
        return _number(seen, "grpc_port", "")
    return int(environ[GRPC_PORT]) if environ.get(GRPC_PORT, "").isdigit() else None


def _split(argv: Sequence[str]) -> dict[str, str]:
    """`--name=value` and `--name value`; the last of a name wins, as in argparse."""
    seen: dict[str, str] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise BadFlag(word, "expected a flag such as --model_dir=/mnt/models")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not rest:
                raise BadFlag(word, "needs a value after it")
            value = rest.pop(0)
        seen[name] = value
    return seen


def _same(value: str, only: str) -> bool:
    low, only = value.lower(), only.lower()
    return low == only or (low in _FALSE and only in _FALSE) or (low in _TRUE and only in _TRUE)


def _number(seen: Mapping[str, str], name: str, default: str) -> int:
    text = seen.get(name, default)
    if not text.isdigit() or int(text) < 1:
        raise BadFlag(f"--{name}", f"{text!r} is not a number of 1 or more")
    return int(text)
