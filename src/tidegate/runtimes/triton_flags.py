"""The flags of `tritonserver`, read into a plan for a server of one ONNX model.

    --model-repository=/models --http-port=8000 --grpc-port=8001 --metrics-port=8002

Source: triton-inference-server/server src/command_line_parser.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.runtimes.errors import BadFlag

_REPOSITORY = ("model-repository", "model-store")  # two spellings
_PORTS: Mapping[str, str] = {"http-port": "8000", "grpc-port": "8001", "metrics-port": "8002"}
_ALLOW = ("allow-http", "allow-grpc", "allow-metrics")
_MODE, _MODEL = "model-control-mode", "load-model"
HONOURED = (*_REPOSITORY, *_PORTS, *_ALLOW, _MODE, _MODEL)
WITHOUT_EFFECT = frozenset(
    {
        "allow-gpu-metrics",
        "backend-config",
        "exit-on-error",
        "exit-timeout-secs",
        "http-thread-count",
        "log-error",
        "log-info",
        "log-verbose",
        "log-warning",
        "min-supported-compute-capability",
        "model-load-thread-count",
        "pinned-memory-pool-byte-size",
        "cuda-memory-pool-byte-size",
        "strict-model-config",
        "disable-auto-complete-config",
        "strict-readiness",
    }
)
"""How Triton computes and what it logs: taken, reported, not followed."""
_HAS_NO_VALUE = frozenset({"disable-auto-complete-config"})
REFUSED: Mapping[str, str] = {
    "repository-poll-secs": "the repository is read once: leave it out",
    "trace-config": "requests are not traced here: leave it out",
}


@dataclass(frozen=True, slots=True)
class TritonPlan:
    """What to serve and where. `model` None: the repository's one. `grpc_port` None: not asked for.
    `unserved_ports`: of metrics."""

    repository: str
    model: str | None
    http_port: int
    grpc_port: int | None
    unserved_ports: tuple[int, ...]
    without_effect: tuple[str, ...]


def read_triton_flags(argv: Sequence[str]) -> TritonPlan:
    """The plan. Raises `BadFlag` for flags that are unknown, malformed or refused."""
    seen = _split(argv)
    repository = next((seen[name] for name in _REPOSITORY if seen.get(name)), None)
    if repository is None:
        raise BadFlag("--model-repository", "missing: give the folder of the model's folder")
    allowed = {name: _truth(name, seen.get(name, "true")) for name in _ALLOW}
    if not allowed["allow-http"]:
        raise BadFlag("--allow-http=false", "HTTP is what is served here")
    ports = {name: _port(name, seen.get(name, default)) for name, default in _PORTS.items()}
    return TritonPlan(
        repository=repository.removeprefix("file://"),
        model=_model(seen),
        http_port=ports["http-port"],
        grpc_port=ports["grpc-port"] if allowed["allow-grpc"] else None,
        unserved_ports=(ports["metrics-port"],) if allowed["allow-metrics"] else (),
        without_effect=tuple(f"--{name}" for name in seen if name in WITHOUT_EFFECT),
    )


def _model(seen: Mapping[str, str]) -> str | None:
    """The one to load; None: whatever there is."""
    mode, model = seen.get(_MODE, "none"), seen.get(_MODEL)
    if mode not in ("none", "explicit"):
        raise BadFlag(
            f"--{_MODE}={mode}", "the model is loaded from start to end: none or explicit"
        )
    if mode == "none":
        if model is not None:
            raise BadFlag(f"--{_MODEL}", f"only together with --{_MODE}=explicit")
        return None
    if not model:
        raise BadFlag(f"--{_MODE}=explicit", f"nothing would be served: add --{_MODEL}=NAME")
    return None if model == "*" else model


def _split(argv: Sequence[str]) -> dict[str, str]:
    """`--name=value` and `--name value`; the last of a name wins, and of models there is one."""
    seen: dict[str, str] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            raise BadFlag(word, "expected a flag such as --model-repository=/models")
        if name in REFUSED:
            raise BadFlag(f"--{name}", REFUSED[name])
        if name not in HONOURED and name not in WITHOUT_EFFECT:
            takes = ", ".join(HONOURED)
            raise BadFlag(f"--{name}", f"not a flag that is honoured here: it takes {takes}")
        if not equals and name not in _HAS_NO_VALUE:
            if not rest:
                raise BadFlag(word, "needs a value after it")
            value = rest.pop(0)
        if name == _MODEL and seen.get(name, value) != value:
            raise BadFlag(
                f"--{name}={value}", f"one model is served here, and {seen[name]} is asked for"
            )
        seen[name] = value
    return seen


def _truth(name: str, text: str) -> bool:
    if text.lower() in ("true", "1", "on"):
        return True
    if text.lower() in ("false", "0", "off"):
        return False
    raise BadFlag(f"--{name}", f"{text!r} is neither true nor false")


def _port(name: str, text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 65535:
        raise BadFlag(f"--{name}", f"{text!r} is not a port number")
    return int(text)
