"""Files and batches as OpenAI's API shows them. Pure values.

Source: OpenAI API reference, Files and Batch (2025).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

WINDOW_S: Final = 24 * 3600
LEAST_KEPT_S: Final = 3600
MOST_KEPT_S: Final = 30 * 24 * 3600
MOST_REQUESTS: Final = 50_000
MOST_FILE_BYTES: Final = 200 * 2**20
ENDPOINTS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
OVER: Final = frozenset(("completed", "failed", "expired", "cancelled"))


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A file. Times are seconds since the epoch."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    object: str = "file"
    status: str = "processed"
    status_details: None = None
    expires_at: int | None = None


class ExpiresAfter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a file is kept, in seconds from `anchor` on, which is its creation."""

    anchor: str
    seconds: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with an input file. `line` counts from 1; None: the file as a whole."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


class BatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    data: tuple[BatchError, ...]
    object: str = "list"


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. Its states: validating, in_progress, finalizing, completed; failed, expired, cancelling,
    cancelled."""

    id: str
    endpoint: str
    input_file_id: str
    created_at: int
    expires_at: int
    object: str = "batch"
    errors: BatchErrors | None = None
    completion_window: str = "24h"
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: Counts = Counts()
    metadata: dict[str, str] | None = None
    output_expires_after: ExpiresAfter | None = None


class NewBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to make one."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_expires_after: ExpiresAfter | None = None


def moved(batch: Batch, status: str, at_s: float, **more: Any) -> Batch:
    """The batch in another state, which it entered then."""
    return msgspec.structs.replace(batch, status=status, **{f"{status}_at": int(at_s)}, **more)


class Refused(Exception):
    """A request that can't be served. `status` is the answer's, the rest stands in its body."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        self.status, self.param, self.code = status, param, code
        super().__init__(message)

    def body(self) -> bytes:
        """The answer's body."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        said = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": said})


def checked(new: NewBatch) -> None:
    """Raises `Refused`."""
    if new.endpoint not in ENDPOINTS:
        raise Refused(
            400,
            f"endpoint {new.endpoint!r} has no batches here: {', '.join(ENDPOINTS)}",
            param="endpoint",
        )
    if new.completion_window != "24h":
        raise Refused(400, "completion_window can only be '24h'", param="completion_window")
    if new.metadata is not None and len(new.metadata) > 16:
        raise Refused(400, "metadata has more than 16 keys", param="metadata")
    if new.output_expires_after is not None:
        check_expiry(new.output_expires_after, "output_expires_after")


def check_expiry(asked: ExpiresAfter, param: str) -> None:
    """Raises `Refused`."""
    if asked.anchor != "created_at":
        raise Refused(400, "anchor can only be 'created_at'", param=f"{param}[anchor]")
    if not LEAST_KEPT_S <= asked.seconds <= MOST_KEPT_S:
        said = f"seconds is from {LEAST_KEPT_S} to {MOST_KEPT_S}"
        raise Refused(400, said, param=f"{param}[seconds]")


def has_expired(file: FileRecord, now_s: float) -> bool:
    """Whether it isn't to be found any more."""
    return file.expires_at is not None and file.expires_at <= now_s
