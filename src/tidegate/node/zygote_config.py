"""The settings of zygotes, from ConfigMap `tidegate-system/config-zygotes`."""

from __future__ import annotations

from tidegate.client.api import Reader
from tidegate.model.core import ConfigMap
from tidegate.policy.config_zygotes import NAME, NAMESPACE, ZygoteConfig, parse_config_zygotes
from tidegate.policy.errors import BadConfig


def zygote_config(reader: Reader) -> ZygoteConfig:
    """What it says now. A map that can't be read counts as empty: admission refuses such maps."""
    config = reader.get(ConfigMap, NAMESPACE, NAME)
    try:
        return parse_config_zygotes(config.data if config is not None else {})
    except BadConfig:
        return ZygoteConfig()


def is_zygote_config(config: ConfigMap) -> bool:
    return (config.metadata.namespace, config.metadata.name) == (NAMESPACE, NAME)
