"""Knative's config maps as they are right now, parsed once per change.

A map that can't be read leaves the last good values in force, as Knative does; admission refuses
such maps, so this only happens to ones that were written before the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from tidegate.policy.config_autoscaler import AutoscalerConfig, parse_config_autoscaler
from tidegate.policy.config_defaults import DefaultsConfig, parse_config_defaults
from tidegate.policy.config_deployment import DeploymentConfig, parse_config_deployment
from tidegate.policy.config_domain import DomainConfig, parse_config_domain
from tidegate.policy.config_gc import GcConfig, parse_config_gc
from tidegate.policy.config_hpa import parse_config_hpa
from tidegate.policy.config_inference import NAME as INFERENCE
from tidegate.policy.config_inference import InferenceConfig, parse_inference_config
from tidegate.policy.config_metrics import MetricsConfig, parse_config_metrics
from tidegate.policy.config_network import NetworkConfig, parse_config_network
from tidegate.policy.errors import BadConfig
from tidegate.scaling.hpa import HpaConfig

T = TypeVar("T")
ReadConfig = Callable[[str], Mapping[str, str]]


class ClusterConfig:
    """`read` gives the data of a ConfigMap by its name in namespace knative-serving, or as
    `<namespace>/<name>`; empty if it isn't there."""

    def __init__(self, read: ReadConfig) -> None:
        self.read = read
        self._seen: dict[str, tuple[Mapping[str, str], object]] = {}

    def autoscaler(self) -> AutoscalerConfig:
        return self._parsed("config-autoscaler", parse_config_autoscaler, AutoscalerConfig())

    def defaults(self) -> DefaultsConfig:
        return self._parsed("config-defaults", parse_config_defaults, DefaultsConfig())

    def deployment(self) -> DeploymentConfig:
        return self._parsed("config-deployment", parse_config_deployment, DeploymentConfig())

    def inference(self) -> InferenceConfig:
        return self._parsed(INFERENCE, parse_inference_config, InferenceConfig())

    def gc(self) -> GcConfig:
        return self._parsed("config-gc", parse_config_gc, GcConfig())

    def network(self) -> NetworkConfig:
        return self._parsed("config-network", parse_config_network, NetworkConfig())

    def domain(self) -> DomainConfig:
        return self._parsed("config-domain", parse_config_domain, DomainConfig())

    def hpa(self) -> HpaConfig:
        return self._parsed("config-hpa", parse_config_hpa, HpaConfig())

    def metrics(self) -> MetricsConfig:
        return self._parsed("config-metrics", parse_config_metrics, MetricsConfig())

    def _parsed(self, name: str, parse: Callable[[Mapping[str, str]], T], default: T) -> T:
        data = self.read(name)
        known = self._seen.get(name)
        if known is not None and known[0] is data:
            return known[1]  # type: ignore[return-value]  # stored under the same name and parser
        try:
            value = parse(data)
        except BadConfig:
            value = known[1] if known is not None else default  # type: ignore[assignment]
        self._seen[name] = (data, value)
        return value
