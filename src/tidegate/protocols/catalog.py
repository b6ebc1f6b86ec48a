"""Every path that a model server answers, as one table, and the function that reads it.

A server speaks the families its model can: tensors (V1 and V2) or text (OpenAI). Both families
have `GET /v1/models`, each its own answer, so a server speaks one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote

from tidegate.protocols.errors import NoSuchPath, NotImplementedHere, WrongMethod


class Ask(Enum):
    """What a call wants."""

    ALIVE = auto()
    HEALTH = auto()
    V1_MODELS = auto()
    V1_MODEL = auto()
    V1_PREDICT = auto()
    V2_SERVER = auto()
    V2_LIVE = auto()
    V2_READY = auto()
    V2_MODELS = auto()
    V2_MODEL = auto()
    V2_MODEL_READY = auto()
    V2_INFER = auto()
    OPENAI_MODELS = auto()
    OPENAI_CHAT = auto()
    OPENAI_COMPLETIONS = auto()


class Family(Enum):
    """Which protocols a model can be spoken to in."""

    TENSORS = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """A request's line, read. `model` is the name in the path, or None where the path has none."""

    ask: Ask
    model: str | None = None


_ALWAYS: Mapping[str, tuple[str, Ask]] = {
    "/": ("GET", Ask.ALIVE),
    "/health": ("GET", Ask.HEALTH),  # llama.cpp, vLLM
    "/v2/health/live": ("GET", Ask.V2_LIVE),
    "/v2/health/ready": ("GET", Ask.V2_READY),
}
_FIXED: Mapping[Family, Mapping[str, tuple[str, Ask]]] = {
    Family.TENSORS: {
        "/v1/models": ("GET", Ask.V1_MODELS),
        "/v2": ("GET", Ask.V2_SERVER),
        "/v2/": ("GET", Ask.V2_SERVER),
        "/v2/models": ("GET", Ask.V2_MODELS),
    },
    Family.TEXT: {
        prefix + path: found
        for prefix in ("/v1", "/openai/v1")
        for path, found in {
            "/models": ("GET", Ask.OPENAI_MODELS),
            "/chat/completions": ("POST", Ask.OPENAI_CHAT),
            "/completions": ("POST", Ask.OPENAI_COMPLETIONS),
        }.items()
    },
}
_SPEAKS: Mapping[Family, str] = {
    Family.TENSORS: "/v1/models/<name>:predict and /v2/models/<name>/infer",
    Family.TEXT: "/v1/chat/completions and /v1/completions (also under /openai)",
}
_NOT_HERE = "{path} is not served here: {why}"


def read_call(method: str, path: str, family: Family) -> Call:
    """What a request line asks for. `path` has no query.

    Raises `NoSuchPath`, `WrongMethod`, and `NotImplementedHere` for what the protocols have and
    these servers don't (explain, model versions, loading and unloading).
    """
    found = _ALWAYS.get(path) or _FIXED[family].get(path)
    if found is not None:
        return _allowed(method, path, found, None)
    if family is Family.TENSORS:
        if path.startswith("/v1/models/"):
            return _read_v1(method, path)
        if path.startswith("/v2/"):
            return _read_v2(method, path)
    raise NoSuchPath(path, speaks=_SPEAKS[family])


def _read_v1(method: str, path: str) -> Call:
    name, colon, verb = path.removeprefix("/v1/models/").rpartition(":")
    if not colon:
        return _allowed(method, path, ("GET", Ask.V1_MODEL), verb)
    match verb:
        case "predict":
            return _allowed(method, path, ("POST", Ask.V1_PREDICT), name)
        case "explain":
            why = "models are served without an explainer"
            raise NotImplementedHere(_NOT_HERE.format(path=path, why=why))
        case _:
            return _allowed(method, path, ("GET", Ask.V1_MODEL), f"{name}:{verb}")


def _read_v2(method: str, path: str) -> Call:
    match path.split("/")[2:]:
        case ["models", name]:
            return _allowed(method, path, ("GET", Ask.V2_MODEL), name)
        case ["models", name, "ready"]:
            return _allowed(method, path, ("GET", Ask.V2_MODEL_READY), name)
        case ["models", name, "infer"]:
            return _allowed(method, path, ("POST", Ask.V2_INFER), name)
        case ["models", _, "versions", *_]:
            why = "a server has one version of its model"
            raise NotImplementedHere(_NOT_HERE.format(path=path, why=why))
        case ["repository", *_]:
            why = "a server has one model, loaded from start to end"
            raise NotImplementedHere(_NOT_HERE.format(path=path, why=why))
        case _:
            raise NoSuchPath(path, speaks=_SPEAKS[Family.TENSORS])


def _allowed(method: str, path: str, found: tuple[str, Ask], model: str | None) -> Call:
    verb, ask = found
    if method != verb and not (method == "HEAD" and verb == "GET"):
        raise WrongMethod(method, path, allow=verb)
    return Call(ask, unquote(model) if model is not None else None)
