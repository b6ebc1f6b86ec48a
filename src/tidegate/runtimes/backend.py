"""What a loaded model can be asked: the Protocols that every backend meets.

A backend knows one model and no HTTP. Its methods block, may be called from several threads at
once (at most `About.parallel`), and raise `protocols.errors.ProtocolError` for what a caller can
change. Anything else they raise is ours or the framework's fault, and reads as a 500.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tidegate.protocols.openai import ChatPiece, Generate, TextPiece
from tidegate.protocols.tensors import Tensor, TensorSpec
from tidegate.protocols.v2 import Infer


@dataclass(frozen=True, slots=True)
class About:
    """What a backend says about its model."""

    platform: str  # `sklearn`, `onnx`, `gguf`
    parallel: int  # calls that may run at once; more wait in the order they came
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


class TensorModel(Protocol):
    """A model over numbers: answers V1 and V2."""

    @property
    def about(self) -> About: ...

    def predict(self, instances: list[Any]) -> list[Any]:
        """One prediction per instance (V1), as JSON-ready values."""
        ...

    def infer(self, asked: Infer) -> tuple[Tensor, ...]:
        """Tensors for tensors (V2): the outputs asked for, or all."""
        ...

    def close(self) -> None:
        """Free what the model holds. Called once, when nothing runs."""
        ...


class TextModel(Protocol):
    """A model over text: answers OpenAI's completions.

    Both calls hand each piece to `emit` as it is made and stop early once `emit` says False
    (the caller has hung up). They always count tokens: the last pieces carry `usage`.
    """

    @property
    def about(self) -> About: ...

    def chat(self, asked: Generate, emit: Callable[[ChatPiece], bool]) -> None: ...

    def complete(self, asked: Generate, emit: Callable[[TextPiece], bool]) -> None: ...

    def close(self) -> None:
        """Free what the model holds. Called once, when nothing runs."""
        ...


Backend = TensorModel | TextModel
