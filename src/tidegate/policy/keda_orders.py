"""What annotations of a ScaledObject tell KEDA to do for the time being: pause, hold, force.

Source: keda apis/keda/v1alpha1/scaledobject_types.go (`NeedToBePausedByAnnotation` and the like).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_AUTOSCALING = "autoscaling.keda.sh/"
PAUSED, PAUSED_AT = f"{_AUTOSCALING}paused", f"{_AUTOSCALING}paused-replicas"
PAUSED_IN, PAUSED_OUT = f"{_AUTOSCALING}paused-scale-in", f"{_AUTOSCALING}paused-scale-out"
FORCED = f"{_AUTOSCALING}force-activation"
TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_INT32_MOST = 2**31 - 1


class BadOrder(ValueError):
    """`key` is the annotation that says nothing."""

    def __init__(self, key: str, value: str, why: str) -> None:
        self.key, self.value, self.why = key, value, why
        super().__init__(f'metadata.annotations[{key}]: "{value}": {why}')


@dataclass(frozen=True, slots=True)
class Orders:
    """`paused_at`: the size to hold while paused, None: the one it has. `hold_in`, `hold_out`: no
    fewer, no more replicas. `transfer`: an HPA of the name that is asked for may be taken over."""

    paused: bool = False
    paused_at: int | None = None
    hold_in: bool = False
    hold_out: bool = False
    forced: bool = False
    transfer: bool = False


def read_orders(annotations: Mapping[str, str]) -> Orders:
    """Raises `BadOrder`."""
    at = annotations.get(PAUSED_AT)
    if at is not None and not (at.isdecimal() and int(at) <= _INT32_MOST):
        raise BadOrder(PAUSED_AT, at, "a number of replicas is needed")
    return Orders(
        paused=at is not None or _said(annotations, PAUSED),
        paused_at=None if at is None else int(at),
        hold_in=_said(annotations, PAUSED_IN),
        hold_out=_said(annotations, PAUSED_OUT),
        forced=_said(annotations, FORCED),
        transfer=_said(annotations, TRANSFER),
    )


def _said(annotations: Mapping[str, str], key: str) -> bool:
    """What is no boolean means yes: somebody wanted it (KEDA's rule)."""
    return key in annotations and annotations[key] not in _FALSE
