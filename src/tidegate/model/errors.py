"""What the API refuses, in Kubernetes' words.

ApiError
  ├── BadRequest 400        NotFound 404         AlreadyExists 409    Conflict 409
  ├── Invalid 422           Forbidden 403        Unauthorized 401     MethodNotAllowed 405
  ├── Expired 410           UnsupportedMedia 415 TooLarge 413         Timeout 504
  └── StorageFull 507 (nothing acknowledged was lost)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong; `reason` is FieldValueInvalid, FieldValueRequired, ..."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """Base; `code` and `reason` go into the Status object."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: dict[str, Any] | None = None) -> None:
        self.message = message
        self.details = details
        super().__init__(message)


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    """`resource` is the plural with its group, as in `deployments.apps`."""

    code, reason = 404, "NotFound"

    def __init__(self, resource: str, name: str) -> None:
        self.resource, self.name = resource, name
        plural, _, group = resource.partition(".")
        details = {"name": name, "kind": plural} | ({"group": group} if group else {})
        super().__init__(f'{resource} "{name}" not found', details=details)


class UnknownPath(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"

    def __init__(self, resource: str, name: str) -> None:
        self.resource, self.name = resource, name
        plural, _, group = resource.partition(".")
        details = {"name": name, "kind": plural} | ({"group": group} if group else {})
        super().__init__(f'{resource} "{name}" already exists', details=details)


class Conflict(ApiError):
    """Someone wrote the object after the caller read it, or a precondition does not hold."""

    code, reason = 409, "Conflict"

    def __init__(self, resource: str, name: str, why: str | None = None) -> None:
        self.resource, self.name = resource, name
        plural, _, group = resource.partition(".")
        details = {"name": name, "kind": plural} | ({"group": group} if group else {})
        super().__init__(
            f'Operation cannot be fulfilled on {resource} "{name}": '
            + (
                why
                or "the object has been modified; please apply your changes to the latest version and try again"
            ),
            details=details,
        )


class Expired(ApiError):
    """The watch log no longer reaches back to the version asked for: list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMedia(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """Fields that break a rule. `kind` is the Kind with its group, as in `Deployment.apps`."""

    code, reason = 422, "Invalid"

    def __init__(self, kind: str, name: str, causes: Sequence[Cause]) -> None:
        self.kind, self.name, self.causes = kind, name, tuple(causes)
        parts = [f"{c.field}: {c.message}" for c in self.causes]
        text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
        bare, _, group = kind.partition(".")
        details: dict[str, Any] = {
            "name": name,
            "kind": bare,
            "causes": [
                {"reason": c.reason, "message": c.message, "field": c.field} for c in self.causes
            ],
        }
        if group:
            details["group"] = group
        super().__init__(f'{kind} "{name}" is invalid: {text}', details=details)


class Timeout(ApiError):
    code, reason = 504, "Timeout"


class StorageFull(ApiError):
    """The disk took no more: this write is refused, what was acknowledged before is safe."""

    code, reason = 507, "InsufficientStorage"
