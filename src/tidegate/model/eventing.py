"""What Knative's eventing kinds share: where events go, and how delivery is tried.

Source: knative.dev/pkg apis/duck/v1/destination.go, knative eventing pkg/apis/duck/v1/delivery_types.go.
"""

from __future__ import annotations

import msgspec

from tidegate.model.domains import KReference
from tidegate.model.wire import NotHonoured, Wire


class Destination(Wire, frozen=True, kw_only=True):
    """`uri` alone is absolute; beside `ref` it is resolved against that object's address."""

    ref: KReference | None = None
    uri: str | None = None
    ca_certs: str | None = msgspec.field(default=None, name="CACerts")
    audience: NotHonoured = None


class DeliverySpec(Wire, frozen=True, kw_only=True):
    """Durations are ISO 8601 text (`PT2S`). `retry`: tries after the first."""

    retry: int | None = None
    backoff_policy: str | None = None
    backoff_delay: str | None = None
    timeout: str | None = None
    retry_after_max: str | None = None
    dead_letter_sink: Destination | None = None
    format: NotHonoured = None
