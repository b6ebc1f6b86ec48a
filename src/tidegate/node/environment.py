"""The environment of a container: values, references and `envFrom`, resolved as the kubelet does.

Reads only; what is missing raises `ConfigMissing`, in the kubelet's words.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from tidegate.client.api import Reader
from tidegate.model.core import (
    ConfigMap,
    Container,
    EnvFromSource,
    EnvVarSource,
    KeySelector,
    Pod,
    Secret,
)
from tidegate.node.errors import ConfigMissing, NotSupported
from tidegate.node.expand import expand

LOOPBACK = "127.0.0.1"
_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


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
        value = _from_reference(reader, pod, var.name, var.value_from)
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


def _from_reference(reader: Reader, pod: Pod, name: str, source: EnvVarSource) -> str | None:
    if source.config_map_key_ref is not None:
        return _config_key(reader, pod, source.config_map_key_ref)
    if source.secret_key_ref is not None:
        return _secret_key(reader, pod, source.secret_key_ref)
    if source.field_ref is not None:
        return field_value(pod, source.field_ref.field_path)
    if source.resource_field_ref is not None:
        raise NotSupported(
            f"environment variable {name}: resourceFieldRef is not supported on this machine: write the value"
        )
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


def field_value(pod: Pod, path: str) -> str:
    """A field as the downward API gives it. Raises `NotSupported` for one that is not known."""
    meta, spec = pod.metadata, pod.spec
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        values = meta.labels if subscript[1] == "labels" else meta.annotations
        return values.get(subscript[2], "")
    match path:
        case "metadata.name":
            return meta.name
        case "metadata.namespace":
            return meta.namespace or ""
        case "metadata.uid":
            return meta.uid or ""
        case "spec.nodeName":
            return spec.node_name or ""
        case "spec.serviceAccountName":
            return spec.service_account_name or "default"
        case "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs":
            return LOOPBACK
        case _:
            raise NotSupported(f"fieldPath {path!r} is not one of the downward API's fields")


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
