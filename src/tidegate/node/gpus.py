"""The NVIDIA cards of this machine, through NVML where its library is installed."""

from __future__ import annotations

import logging
from typing import Any

from tidegate.node.gpu_usage import load_nvml
from tidegate.policy.gpu_cards import Card

_LOG = logging.getLogger(__name__)
_GIB = 2**30


def real_cards() -> tuple[Card, ...]:
    """Empty without the package `nvidia-ml-py` (extra `gpu`), a driver, or cards."""
    nvml = load_nvml()
    if nvml is None:
        return ()
    try:
        return tuple(_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
    except nvml.NVMLError as why:
        _LOG.warning("the NVIDIA cards can't be read: %s", why)
        return ()
    finally:
        nvml.nvmlShutdown()


def _card(nvml: Any, index: int) -> Card:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle).total
    return Card(
        index,
        round(memory / _GIB),
        _text(nvml.nvmlDeviceGetName(handle)),
        _text(nvml.nvmlDeviceGetUUID(handle)),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
