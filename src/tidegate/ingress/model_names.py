"""The names by which the gateway's OpenAI API for all models finds a service.

A Knative Service or InferenceService is a model of its own name, what other Ingresses lead to is none.
`tidegate.dev/models: NAME, NAME` says other names (what the server
behind it calls its models: it sees the field as the client wrote it), and an empty value that it has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tidegate.model import serving_names as names

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~%-]+)+")


def openai_path(annotations: Mapping[str, str], *, kserve: bool = False) -> str:
    """Where the server has the OpenAI API: `/v1` with most, `/openai/v1` with KServe's own, or as
    `tidegate.dev/openai-path` says."""
    said = annotations.get(names.OPENAI_PATH, "").rstrip("/")
    if _PATH.fullmatch(said):
        return said
    return "/openai/v1" if kserve else "/v1"


def models_of(name: str | None, annotations: Mapping[str, str]) -> tuple[str, ...]:
    """The model names of the service `name`; None: it has those only that it says."""
    said = annotations.get(names.MODELS)
    if said is None:
        return () if name is None else (name,)
    return tuple(dict.fromkeys(word for part in said.split(",") if (word := part.strip())))
