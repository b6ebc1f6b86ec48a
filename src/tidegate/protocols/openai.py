"""OpenAI's chat and text completions: requests, streamed pieces and whole answers as values.

    GET  /v1/models             the list
    POST /v1/chat/completions   messages in; one answer, or `chat.completion.chunk` events
    POST /v1/completions        a prompt in; one answer, or a stream

The fields that steer a server (model, stream, lengths, sampling) are checked here; everything else
(tools, response_format, grammar, ...) stays in `body` for the model to read, so that nothing a
caller sends is lost on the way. Servers generate pieces; `openai_whole` joins them into an answer.
Source: OpenAI API reference, chat and completions; llama.cpp tools/server for what it adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidegate.protocols.errors import BadRequest, ProtocolError
from tidegate.protocols.json_body import encode, read_as, read_object

DONE = b"data: [DONE]\n\n"
"""The event that ends every stream."""


@dataclass(frozen=True, slots=True)
class Generate:
    """A checked request. `body` is the whole JSON object as it came."""

    model: str | None  # None: the caller named none, so the only model is meant
    stream: bool
    include_usage: bool  # the stream ends with a piece that counts tokens
    body: dict[str, Any]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens counted by the model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, Any] | None = None


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a chat choice gained. UNSET is not sent; None is sent as null."""

    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType | None = UNSET
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET


class ChatPieceChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    delta: Delta
    finish_reason: str | None = None
    logprobs: dict[str, Any] | UnsetType | None = UNSET


class ChatPiece(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a streamed chat. The last may have no choices, only `usage`."""

    id: str
    created: int  # seconds since the epoch
    model: str
    choices: list[ChatPieceChoice]
    object: str = "chat.completion.chunk"
    system_fingerprint: str | UnsetType = UNSET
    usage: Usage | UnsetType | None = UNSET
    timings: dict[str, Any] | UnsetType = UNSET  # llama.cpp's own


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class TextPiece(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a streamed text completion, and also a whole one: they have one shape."""

    id: str
    created: int
    model: str
    choices: list[TextChoice]
    object: str = "text_completion"
    system_fingerprint: str | UnsetType = UNSET
    usage: Usage | UnsetType | None = UNSET
    timings: dict[str, Any] | UnsetType = UNSET


class Message(msgspec.Struct, frozen=True):
    """The assistant's whole message."""

    role: str = "assistant"
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET


class ChatChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    message: Message
    finish_reason: str | None = None
    logprobs: dict[str, Any] | UnsetType | None = UNSET


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A whole chat completion."""

    id: str
    created: int
    model: str
    choices: list[ChatChoice]
    object: str = "chat.completion"
    system_fingerprint: str | UnsetType = UNSET
    usage: Usage | UnsetType | None = UNSET
    timings: dict[str, Any] | UnsetType = UNSET


Piece = ChatPiece | TextPiece

_Count = Annotated[int, Meta(ge=1)]


class _Said(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Common(msgspec.Struct, kw_only=True):
    model: str | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None  # llama.cpp reads -1 as "no limit"
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    n: _Count | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class _ChatBody(_Common, kw_only=True):
    messages: Annotated[list[_Said], Meta(min_length=1)]
    max_completion_tokens: _Count | None = None


class _TextBody(_Common, kw_only=True):
    prompt: str | list[Any]


def read_chat(body: bytes) -> Generate:
    """Raises `BadRequest` with the path of the field that is wrong."""
    raw = read_object(body)
    return _checked(raw, read_as(raw, _ChatBody))


def read_completion(body: bytes) -> Generate:
    """Raises `BadRequest` with the path of the field that is wrong."""
    raw = read_object(body)
    return _checked(raw, read_as(raw, _TextBody))


def _checked(raw: dict[str, Any], seen: _Common) -> Generate:
    if seen.stream_options is not None and not seen.stream:
        raise BadRequest("only makes sense with stream: true", field="stream_options")
    usage = seen.stream_options is not None and seen.stream_options.include_usage
    return Generate(seen.model or None, bool(seen.stream), usage, raw)


def without_usage(piece: ChatPiece | TextPiece) -> Piece:
    """The same piece for a caller who didn't ask for usage."""
    return msgspec.structs.replace(piece, usage=UNSET)


def render_event(piece: Piece) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(piece) + b"\n\n"


def render_error_event(error: ProtocolError) -> bytes:
    """How a stream that has begun says that it failed: the status can't change any more."""
    return b"data: " + render_error(error) + b"\n\n"


def render_whole(answer: Chat | TextPiece) -> bytes:
    return encode(answer)


def render_models(names: Sequence[str], *, created: int) -> bytes:
    """`created` is in seconds since the epoch: when the server loaded them."""
    data = [
        {"id": name, "object": "model", "created": created, "owned_by": "tidegate"}
        for name in names
    ]
    return encode({"object": "list", "data": data})


def render_error(error: ProtocolError) -> bytes:
    """OpenAI's error object."""
    param = error.field if isinstance(error, BadRequest) else None
    return encode(
        {
            "error": {
                "message": str(error),
                "type": error.kind,
                "param": param,
                "code": error.code,
            }
        }
    )
