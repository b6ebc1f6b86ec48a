"""Joins streamed pieces into the whole answer that the same request gets without `stream`.

Servers always generate in pieces, so that a caller who hangs up stops the work at the next token;
a caller who asked for one answer gets the pieces joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, UnsetType

from tidegate.protocols.openai import (
    Chat,
    ChatChoice,
    ChatPiece,
    Message,
    Piece,
    TextChoice,
    TextPiece,
    Usage,
)


def join_chat(pieces: Sequence[ChatPiece]) -> Chat:
    """The whole chat. `pieces` has at least one; choices come out in order of their index."""
    first = pieces[0]
    drafts: dict[int, _Draft] = {}
    for piece in pieces:
        for choice in piece.choices:
            draft = drafts.setdefault(choice.index, _Draft())
            draft.add_text(choice.delta.content)
            draft.finish = choice.finish_reason or draft.finish
            draft.add_logprobs(choice.logprobs)
            if isinstance(choice.delta.reasoning_content, str):
                draft.reasoning += choice.delta.reasoning_content
            if not isinstance(choice.delta.tool_calls, UnsetType):
                draft.add_tool_calls(choice.delta.tool_calls)
    return Chat(
        id=first.id,
        created=first.created,
        model=first.model,
        choices=[drafts[index].as_chat(index) for index in sorted(drafts)],
        system_fingerprint=first.system_fingerprint,
        usage=_sum_usage(pieces),
        timings=_last_timings(pieces),
    )


def join_text(pieces: Sequence[TextPiece]) -> TextPiece:
    """The whole completion. `pieces` has at least one."""
    first = pieces[0]
    drafts: dict[int, _Draft] = {}
    for piece in pieces:
        for choice in piece.choices:
            draft = drafts.setdefault(choice.index, _Draft())
            draft.add_text(choice.text)
            draft.finish = choice.finish_reason or draft.finish
            draft.add_logprobs(choice.logprobs)
    return TextPiece(
        id=first.id,
        created=first.created,
        model=first.model,
        choices=[drafts[index].as_text(index) for index in sorted(drafts)],
        system_fingerprint=first.system_fingerprint,
        usage=_sum_usage(pieces),
        timings=_last_timings(pieces),
    )


@dataclass(slots=True)
class _Draft:
    """One choice while it grows."""

    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    logprobs: list[Any] = field(default_factory=list)
    tools: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add_text(self, text: str | UnsetType | None) -> None:
        if isinstance(text, str):
            self.text += text

    def add_logprobs(self, seen: dict[str, Any] | UnsetType | None) -> None:
        if isinstance(seen, dict):
            self.logprobs += seen.get("content") or []

    def add_tool_calls(self, calls: Iterable[dict[str, Any]]) -> None:
        """The first piece of a call has its id and name; later ones add to its arguments."""
        for call in calls:
            index = call.get("index", 0)
            function = call.get("function", {})
            if index not in self.tools:
                kept = {key: value for key, value in call.items() if key != "index"}
                self.tools[index] = {**kept, "function": {"arguments": "", **function}}
            else:
                self.tools[index]["function"]["arguments"] += function.get("arguments", "")

    def as_chat(self, index: int) -> ChatChoice:
        calls = [self.tools[at] for at in sorted(self.tools)]
        message = Message(
            role="assistant",
            content=self.text if self.text or not calls else None,
            reasoning_content=self.reasoning or UNSET,
            tool_calls=calls or UNSET,
        )
        logprobs = {"content": self.logprobs} if self.logprobs else UNSET
        return ChatChoice(
            index=index, message=message, finish_reason=self.finish, logprobs=logprobs
        )

    def as_text(self, index: int) -> TextChoice:
        logprobs = {"content": self.logprobs} if self.logprobs else None
        return TextChoice(index=index, text=self.text, finish_reason=self.finish, logprobs=logprobs)


def _sum_usage(pieces: Iterable[Piece]) -> Usage | UnsetType:
    """A list of prompts is counted once per prompt, each on its own last piece."""
    counted = [piece.usage for piece in pieces if isinstance(piece.usage, Usage)]
    if len(counted) <= 1:
        return counted[0] if counted else UNSET
    return Usage(
        prompt_tokens=sum(each.prompt_tokens for each in counted),
        completion_tokens=sum(each.completion_tokens for each in counted),
        total_tokens=sum(each.total_tokens for each in counted),
    )


def _last_timings(pieces: Iterable[Piece]) -> dict[str, Any] | UnsetType:
    last: dict[str, Any] | UnsetType = UNSET
    for piece in pieces:
        if not isinstance(piece.timings, UnsetType):
            last = piece.timings
    return last
