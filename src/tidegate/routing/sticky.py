"""The same caller to the same split, with weights, without remembering callers.

Weighted rendezvous hashing (Thaler and Ravishankar 1998; the logarithm for weights: Schindelhauer and
Schomaker 2005): each target draws a number from the value and itself; the best for its weight has it.
When weights change only those move that must, and all gateways agree without talking.
"""

from collections.abc import Mapping
from hashlib import blake2b
from math import log
from typing import Final

_RANGE: Final = 2.0**64
_TRIES: Final = 5000  # a target with a thousandth of the weight is missed once in 150 calls


def stuck_to(weights: Mapping[str, int], value: bytes) -> str:
    """The target of all requests with this value. `weights` has one above zero at least."""
    best, least = "", float("inf")
    for target, weight in weights.items():
        if weight > 0:
            drawn = -log(_draw(target, value)) / weight
            if drawn < least:
                best, least = target, drawn
    return best


def value_for(weights: Mapping[str, int], target: str, seed: str) -> str:
    """A value, begun with `seed`, that sticks to a target. Should none be found in a while (its share is
    tiny) one that sticks to another."""
    value = seed
    for number in range(_TRIES):
        value = f"{seed}{number:x}"
        if stuck_to(weights, value.encode()) == target:
            break
    return value


def _draw(target: str, value: bytes) -> float:
    """Above 0, at most 1."""
    digest = blake2b(b"%b\0%b" % (target.encode(), value), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / _RANGE
