"""Knative's config map `config-network`: how routes get their hosts, and how fast traffic moves.

Source: knative.dev/networking pkg/config/config.go. Keys about ingress and certificate classes, meshes
and TLS between Knative's own parts are for clusters; they are kept and mean nothing here.
Deliberate difference: domains are claimed for the first DomainMapping that asks
(`autocreate-cluster-domain-claims`), since a single machine has no second administrator to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.policy.config_map import Key, read_keys
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import parse_bool, parse_int
from tidegate.policy.host_template import Names, check_template, fill_in

NAME = "config-network"
_MAPS = ("Labels", "Annotations")
_PROTOCOLS = ("enabled", "disabled", "redirected")


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """`rollout_duration_s` 0: a new revision takes its traffic at once.

    `http_protocol`: enabled, or redirected (plain HTTP is sent to HTTPS where a host has a
    certificate). `external_scheme`: what public URLs in statuses begin with.
    """

    domain_template: str = "{{.Name}}.{{.Namespace}}.{{.Domain}}"
    tag_template: str = "{{.Tag}}-{{.Name}}"
    rollout_duration_s: int = 0
    autocreate_claims: bool = True
    external_scheme: str = "http"
    external_domain_tls: bool = False
    http_protocol: str = "enabled"


def parse_config_network(data: Mapping[str, str]) -> NetworkConfig:
    """Raises `BadConfig` with Knative's words."""
    config = NetworkConfig(**read_keys(NAME, data, KEYS))
    if config.rollout_duration_s < 0:
        was = config.rollout_duration_s
        raise BadConfig(NAME, f"rollout-duration must be a positive integer, but was {was}")
    sample = fill_in(
        config.domain_template,
        Names({"Name": "foo", "Namespace": "bar", "Domain": "baz.com"}),
    )
    if config.http_protocol not in _PROTOCOLS:
        written = data.get("http-protocol", data.get("httpProtocol"))
        text = f"httpProtocol {written} in config-network ConfigMap is not supported"
        raise BadConfig(NAME, text)
    host, slash, path = sample.partition("/")
    if not host.strip():
        raise BadConfig(NAME, "empty hostname")
    if slash:
        raise BadConfig(NAME, f"domain template has url path: /{path}")
    return config


def _domain_template(text: str) -> str:
    return check_template(text, ("Name", "Namespace", "Domain"), _MAPS)


def _tag_template(text: str) -> str:
    return check_template(text, ("Name", "Tag"), ())


def _protocol(text: str) -> str:
    return text.lower() or "enabled"


def _enabled(text: str) -> bool:
    return text.lower() == "enabled"


# The old spelling of a key comes before today's, which wins.
KEYS: tuple[Key, ...] = (
    ("domainTemplate", "domain_template", _domain_template),
    ("domain-template", "domain_template", _domain_template),
    ("tagTemplate", "tag_template", _tag_template),
    ("tag-template", "tag_template", _tag_template),
    ("rolloutDuration", "rollout_duration_s", parse_int),
    ("rollout-duration", "rollout_duration_s", parse_int),
    ("autocreateClusterDomainClaims", "autocreate_claims", parse_bool),
    ("autocreate-cluster-domain-claims", "autocreate_claims", parse_bool),
    ("defaultExternalScheme", "external_scheme", str),
    ("default-external-scheme", "external_scheme", str),
    ("autoTLS", "external_domain_tls", _enabled),
    ("auto-tls", "external_domain_tls", _enabled),
    ("external-domain-tls", "external_domain_tls", _enabled),
    ("httpProtocol", "http_protocol", _protocol),
    ("http-protocol", "http_protocol", _protocol),
)
