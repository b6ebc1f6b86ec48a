"""What a server is to speak by gRPC. Apart from the server: every start reads it, few need the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speaks = Literal["v2", "triton", "tensorflow"]


@dataclass(frozen=True, slots=True)
class GrpcPlan:
    """What to speak where. `version` None: the model has none."""

    port: int
    speaks: Speaks
    version: str | None = None
    most_bytes: int | None = None  # of one message; None: the default of the server we stand for
