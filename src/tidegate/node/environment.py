"""The environment of a container: values, references and `envFrom`, resolved as the kubelet does.

Reads only; what is missing raises `ConfigMissing`, in the kubelet's words.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from tidegate.client.api import Reader
from tidegate.model.containers import (
    Container,
    EnvFromSource,
    EnvVarSource,
    KeySelector,
)
from tidegate.model.core import ConfigMap, Secret
from tidegate.model.pods import Pod
from tidegate.node.downward import field_value, resource_value
from tidegate.node.errors import ConfigMissing
from tidegate.node.expand import expand


def resolve_env(
    reader: Reader, pod: Pod, container: Container, *, given: Mapping[str, str]
) -> dict[str, str]:
    """What the document says, in its order: `given`, `envFrom`, then `env`.

    Values may use `$(NAME)` of what stands before them. Raises `ConfigMissing`, `NotSupported`.
    """
    env = dict(given)
    for source in container.env_from:
        env |= _from_source(reader, pod, source)
    for var in container.env:
        if var.value_from is None:
            env[var.name] = expand(var.value or "", env)
            continue
        value = _from_reference(reader, pod, container, var.value_from)
        if value is not None:
            env[var.name] = value
    return env


def secret_data(secret: Secret) -> dict[str, bytes]:
    """A Secret's keys, decoded."""
    data = {key: base64.b64decode(value) for key, value in secret.data.items()}
    return data | {key: value.encode() for key, value in secret.string_data.items()}


def config_data(config: ConfigMap) -> dict[str, bytes]:
    """A ConfigMap's keys, binary ones decoded."""
    data = {key: value.encode() for key, value in config.data.items()}
    return data | {key: base64.b64decode(value) for key, value in config.binary_data.items()}


def _from_source(reader: Reader, pod: Pod, source: EnvFromSource) -> dict[str, str]:
    prefix, space = source.prefix or "", pod.metadata.namespace or ""
    found: dict[str, str] = {}
    if source.config_map_ref is not None:
        config = reader.get(ConfigMap, space, source.config_map_ref.name)
        if config is not None:
            found |= config.data
        elif not source.config_map_ref.optional:
            raise ConfigMissing(f'configmap "{source.config_map_ref.name}" not found')
    if source.secret_ref is not None:
        secret = reader.get(Secret, space, source.secret_ref.name)
        if secret is not None:
            found |= {key: _text(value) for key, value in secret_data(secret).items()}
        elif not source.secret_ref.optional:
            raise ConfigMissing(f'secret "{source.secret_ref.name}" not found')
    return {prefix + key: value for key, value in found.items()}


def _from_reference(
    reader: Reader, pod: Pod, container: Container, source: EnvVarSource
) -> str | None:
    if source.config_map_key_ref is not None:
        return _config_key(reader, pod, source.config_map_key_ref)
    if source.secret_key_ref is not None:
        return _secret_key(reader, pod, source.secret_key_ref)
    if source.field_ref is not None:
        return field_value(pod, source.field_ref.field_path)
    if source.resource_field_ref is not None:
        return resource_value(reader, pod, container, source.resource_field_ref)
    return None


def _config_key(reader: Reader, pod: Pod, ref: KeySelector) -> str | None:
    space = pod.metadata.namespace or ""
    config = reader.get(ConfigMap, space, ref.name)
    if config is not None and ref.key in config.data:
        return config.data[ref.key]
    if ref.optional:
        return None
    if config is None:
        raise ConfigMissing(f'configmap "{ref.name}" not found')
    raise ConfigMissing(f"couldn't find key {ref.key} in ConfigMap {space}/{ref.name}")


def _secret_key(reader: Reader, pod: Pod, ref: KeySelector) -> str | None:
    space = pod.metadata.namespace or ""
    secret = reader.get(Secret, space, ref.name)
    data = {} if secret is None else secret_data(secret)
    if ref.key in data:
        return _text(data[ref.key])
    if ref.optional:
        return None
    if secret is None:
        raise ConfigMissing(f'secret "{ref.name}" not found')
    raise ConfigMissing(f"couldn't find key {ref.key} in Secret {space}/{ref.name}")


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
