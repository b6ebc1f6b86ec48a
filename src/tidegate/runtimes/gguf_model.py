"""GGUF language models through llama.cpp (`xllamacpp`).

llama.cpp's own server engine does the work: templates, slots, continuous batching, prompt cache.
Its HTTP half is never used: draining and health are the shell's. The engine insists on a listener
all the same, so it gets a Unix socket in a private folder that is deleted at once; then nobody can
reach it and no port is taken.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tidegate.link.unix import short_path
from tidegate.protocols.errors import BadRequest, InferenceFailed, NotImplementedHere, ProtocolError
from tidegate.protocols.openai import ChatPiece, Generate, TextPiece
from tidegate.runtimes.backend import About
from tidegate.runtimes.errors import FrameworkMissing, ModelFileBroken, ModelFileMissing
from tidegate.runtimes.llama_flags import LlamaPlan

P = TypeVar("P", ChatPiece, TextPiece)


def load_gguf(plan: LlamaPlan) -> GgufModel:
    """The model of `plan`, loaded and warm. Raises `StartError`s."""
    file = Path(plan.model)
    if not file.is_file():
        raise ModelFileMissing(str(file), "give the path of a .gguf file with -m")
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise ModelFileBroken(
                str(file), "it is not a GGUF file", way_out="convert it, or download it again"
            )
    try:
        import xllamacpp
    except ImportError as why:
        raise FrameworkMissing("xllamacpp", extra="gguf") from why
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {plan.alias}
    plan.put_into(params, xllamacpp)
    params.endpoint_metrics = True  # for `handle_metrics` below
    try:
        # mkdtemp makes the folder for this user only, also under a shared TMPDIR.
        with (
            tempfile.TemporaryDirectory(prefix="tidegate-llama-") as folder,
            short_path(Path(folder) / "engine.sock") as short,  # a pod's TMPDIR may be long
        ):
            params.hostnames = [short]
            engine = xllamacpp.Server(params)
        # An engine that is freed before its loop has begun waits for ever: the loop overwrites the
        # order to stop. Metrics are answered by the loop, so after them it has begun.
        engine.handle_metrics()
    except RuntimeError as why:
        raise ModelFileBroken(
            str(file),
            "llama.cpp refused it or its settings (its own words are above)",
            way_out="check the file, -c/--ctx-size and the memory that is free",
        ) from why
    return GgufModel(engine, parallel=plan.parallel)


class GgufModel:
    """A running llama.cpp engine. Its calls are thread-safe and free the GIL while they wait."""

    def __init__(self, engine: Any, *, parallel: int) -> None:
        self._engine = engine
        self.about = About("gguf", parallel)

    def chat(self, asked: Generate, emit: Callable[[ChatPiece], bool]) -> None:
        self._generate(self._engine.handle_chat_completions, asked, ChatPiece, emit)

    def complete(self, asked: Generate, emit: Callable[[TextPiece], bool]) -> None:
        self._generate(self._engine.handle_completions, asked, TextPiece, emit)

    def close(self) -> None:
        """Stops llama.cpp's loop: it joins its threads when the engine is freed."""
        self._engine = None

    def _generate(
        self,
        handle: Callable[..., Any],
        asked: Generate,
        shape: type[P],
        emit: Callable[[P], bool],
    ) -> None:
        failed: list[ProtocolError] = []

        def stop_after(event: dict[str, Any] | None) -> bool:
            """llama.cpp's callback: True ends the generation. None is its keep-alive ping."""
            if event is None:
                return False
            if "error" in event:
                failed.append(_as_error(event["error"]))
                return True
            return not emit(msgspec.convert(event, shape))

        try:
            handle({**asked.body, **_ALWAYS_STREAM}, stop_after)
        except ValueError as why:
            raise BadRequest(str(why)) from why  # llama.cpp's reading of the request
        if failed:
            raise failed[0]


# Pieces even for a whole answer: see `protocols.openai_whole`. Usage: the shell leaves it out again.
_ALWAYS_STREAM = {"stream": True, "stream_options": {"include_usage": True}}


def _as_error(said: dict[str, Any]) -> ProtocolError:
    text = str(said.get("message", said))
    match said.get("code"):
        case 501:
            return NotImplementedHere(text)
        case int(code) if 400 <= code < 500:
            return BadRequest(text)
        case _:
            return InferenceFailed(text)
