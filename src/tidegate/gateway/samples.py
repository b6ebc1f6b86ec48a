"""What the gateway tells of a revision's seconds, which the autoscaler counts from. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.link.gateway import Sample
from tidegate.routing import Gate, Second


def samples_of(
    revision: str, seconds: Iterable[Second], gate: Gate[Any], *, yielded: int
) -> list[Sample]:
    """One per second; what stands at the gate now is in all of them, what batch requests do in the
    last. `yielded`: those that gave way meanwhile."""
    samples = [
        Sample(
            revision=revision,
            at_s=second.at_s,
            concurrency=second.concurrency,
            requests=second.requests,
            waiting=gate.waiting,
            running=gate.running,
            errors=second.errors,
            latency_buckets=second.latencies,
            cold_starts=second.cold_starts,
            batch=second.batch,
            tokens=second.tokens,
        )
        for second in seconds
    ]
    if samples and (gate.batch_running or gate.batch_waiting or yielded):
        samples[-1] = msgspec.structs.replace(
            samples[-1],
            batch_running=len(gate.batch_running),
            batch_waiting=gate.batch_waiting,
            batch_yielded=yielded,
        )
    return samples
