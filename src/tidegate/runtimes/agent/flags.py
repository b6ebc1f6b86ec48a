"""The agent's flags, as KServe injects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.runtimes.errors import BadFlag

_SWITCHES = ("enable-batcher",)
_VALUES = {
    "port": "9081",
    "component-port": "8080",
    "max-batchsize": "32",
    "max-latency": "5000",
    "log-url": "",
    "log-mode": "all",
    "source-uri": "http://localhost:9081/",
    "inference-service": "",
    "namespace": "",
    "component": "",
    "endpoint": "",
    "metadata-headers": "",
}
_MODES = ("all", "request", "response")


@dataclass(frozen=True, slots=True)
class Batching:
    """A batch goes off when it has so many instances, or so long after its first one."""

    most_instances: int
    latest_s: float


@dataclass(frozen=True, slots=True)
class Logging:
    """Where events go, which, and what they say of where they come from. `headers`: those of a request
    that its event tells."""

    url: str
    mode: str
    source: str
    extensions: Mapping[str, str]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """`batching`, `logging` None: not done."""

    host: str
    port: int
    component_port: int
    batching: Batching | None
    logging: Logging | None


def read_agent_flags(argv: Sequence[str], environ: Mapping[str, str]) -> AgentPlan:
    """Raises `BadFlag`. PORT is the port when `--port` is not given."""
    given = dict(_VALUES, port=environ.get("PORT") or _VALUES["port"])
    switched = set()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in (*_VALUES, *_SWITCHES):
            known = ", ".join(f"--{flag}" for flag in (*_SWITCHES, *_VALUES))
            raise BadFlag(word, f"not a flag of the agent: it takes {known}")
        if name in _SWITCHES:
            if not equals or value == "true":
                switched.add(name)
            continue
        if not equals:
            if not rest:
                raise BadFlag(word, "needs a value after it")
            value = rest.pop(0)
        given[name] = value
    if given["log-mode"] not in _MODES:
        raise BadFlag(f"--log-mode={given['log-mode']}", f"one of {', '.join(_MODES)}")
    url = given["log-url"]
    if url and not url.startswith("http://"):
        raise BadFlag(f"--log-url={url}", "events are sent to http:// addresses")
    batching = Batching(_number(given, "max-batchsize"), _number(given, "max-latency") / 1000)
    extensions = {
        "inferenceservicename": given["inference-service"],
        "namespace": given["namespace"],
        "component": given["component"],
        "endpoint": given["endpoint"],
    }
    return AgentPlan(
        host=environ.get("TIDEGATE_HOST") or "127.0.0.1",
        port=_number(given, "port"),
        component_port=_number(given, "component-port"),
        batching=batching if "enable-batcher" in switched else None,
        logging=Logging(
            url,
            given["log-mode"],
            given["source-uri"],
            {key: value for key, value in extensions.items() if value},
            tuple(name for name in given["metadata-headers"].split(",") if name),
        )
        if url
        else None,
    )


def _number(given: Mapping[str, str], name: str) -> int:
    if not given[name].isdigit() or int(given[name]) < 1:
        raise BadFlag(f"--{name}", f"{given[name]!r} is not a number of 1 or more")
    return int(given[name])
