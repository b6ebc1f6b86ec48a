"""What a revision gets that doesn't say: Knative's config map `config-defaults`.

Source: Knative, serving pkg/apis/config/defaults.go. Container names may use the parent's name and
namespace (`{{.Name}}`, `{{.Namespace}}`); other template expressions are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.kit.quantity import BadQuantity, parse_quantity
from tidegate.policy.config_map import Key, read_keys
from tidegate.policy.errors import BadConfig
from tidegate.policy.go_values import BadValue, parse_bool, parse_int

NAME = "config-defaults"
_INT32_MOST = 2**31 - 1
_ACTION = re.compile(r"\{\{-?\s*\.(Name|Namespace)\s*-?\}\}")


@dataclass(frozen=True, slots=True)
class DefaultsConfig:
    """Timeouts in seconds; idle 0: off. Resources are the quantities as written; None: unset.

    `container_concurrency` 0: no limit. `enable_service_links` None: leave the field unset.
    """

    revision_timeout_s: int = 300
    max_revision_timeout_s: int = 600
    response_start_timeout_s: int = 300
    idle_timeout_s: int = 0
    container_name_template: str = "user-container"
    init_container_name_template: str = "init-container"
    container_concurrency: int = 0
    container_concurrency_max_limit: int = 1000
    allow_container_concurrency_zero: bool = True
    enable_service_links: bool | None = False
    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None
    ephemeral_storage_request: str | None = None
    ephemeral_storage_limit: str | None = None


def parse_config_defaults(data: Mapping[str, str]) -> DefaultsConfig:
    """Raises `BadConfig` with Knative's words."""
    found = read_keys(NAME, data, KEYS)
    if "revision_timeout_s" in found:
        found.setdefault("response_start_timeout_s", found["revision_timeout_s"])
    config = DefaultsConfig(**found)
    problem = _timeouts(config) or _concurrency(config)
    if problem:
        raise BadConfig(NAME, problem)
    return config


def container_name(template: str, *, name: str, namespace: str) -> str:
    """The template filled in with its parent's metadata."""
    values = {"Name": name, "Namespace": namespace}
    return _ACTION.sub(lambda match: values[match[1]], template)


def _timeouts(config: DefaultsConfig) -> str | None:
    timeout_s = config.revision_timeout_s
    if timeout_s > config.max_revision_timeout_s:
        return (
            f"revision-timeout-seconds ({timeout_s}) cannot be greater than "
            f"max-revision-timeout-seconds ({config.max_revision_timeout_s})"
        )
    inner = {
        "revision-response-start-timeout-seconds": config.response_start_timeout_s,
        "revision-idle-timeout-seconds": config.idle_timeout_s,
    }
    for key, value in inner.items():
        if value > 0 and value > timeout_s:
            return f"{key} ({value}) cannot be greater than revision-timeout-seconds ({timeout_s})"
    return None


def _concurrency(config: DefaultsConfig) -> str | None:
    most, value = config.container_concurrency_max_limit, config.container_concurrency
    if most < 1:
        return f"expected 1 <= {most} <= {_INT32_MOST}: container-concurrency-max-limit"
    if not 0 <= value <= most:
        return f"expected 0 <= {value} <= {most}: container-concurrency"
    return None


def _int64(text: str) -> int:
    return parse_int(text, 64)


def _quantity(text: str) -> str:
    try:
        parse_quantity(text)
    except BadQuantity as why:
        raise BadValue(str(why)) from why
    return text


def _template(text: str) -> str:
    rest = _ACTION.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise BadValue(f"template {text!r} uses more than {{{{.Name}}}} and {{{{.Namespace}}}}")
    return text


def _tri_state(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


KEYS: tuple[Key, ...] = (
    ("init-container-name-template", "init_container_name_template", _template),
    ("container-name-template", "container_name_template", _template),
    ("allow-container-concurrency-zero", "allow_container_concurrency_zero", parse_bool),
    ("enable-service-links", "enable_service_links", _tri_state),
    ("revision-timeout-seconds", "revision_timeout_s", _int64),
    ("max-revision-timeout-seconds", "max_revision_timeout_s", _int64),
    ("revision-idle-timeout-seconds", "idle_timeout_s", _int64),
    ("container-concurrency", "container_concurrency", _int64),
    ("container-concurrency-max-limit", "container_concurrency_max_limit", _int64),
    ("revision-cpu-request", "cpu_request", _quantity),
    ("revision-memory-request", "memory_request", _quantity),
    ("revision-ephemeral-storage-request", "ephemeral_storage_request", _quantity),
    ("revision-cpu-limit", "cpu_limit", _quantity),
    ("revision-memory-limit", "memory_limit", _quantity),
    ("revision-ephemeral-storage-limit", "ephemeral_storage_limit", _quantity),
    ("revision-response-start-timeout-seconds", "response_start_timeout_s", _int64),
)
