"""ConfigMaps and Secrets: keys, sizes, and what `immutable` fixes.

Source: kubernetes pkg/apis/core/validation/validation.go (`ValidateConfigMap`, `ValidateSecret`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from msgspec.structs import replace

from tidegate.model import labels
from tidegate.model.admission.problems import (
    IMMUTABLE,
    GoText,
    Problems,
    each_invalid,
    forbidden,
    invalid,
    required,
    too_long,
)
from tidegate.model.core import ConfigMap, Secret

MOST_BYTES = 1024 * 1024
_FIXED = "field is immutable when `immutable` is set"
#: The keys that a Secret of a well-known type must have.
_KEYS_OF_TYPE: Mapping[str, tuple[str, ...]] = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def default_secret(secret: Secret, old: Secret | None) -> Secret:
    """`stringData` wins over `data`, and is never stored."""
    folded = {
        key: base64.b64encode(text.encode()).decode() for key, text in secret.string_data.items()
    }
    return replace(
        secret, type=secret.type or "Opaque", data={**secret.data, **folded}, string_data={}
    )


def check_config_map(config_map: ConfigMap) -> Problems:
    found: Problems = []
    for key in config_map.data:
        found += each_invalid(f"data[{key}]", key, labels.config_key(key))
        if key in config_map.binary_data:
            detail = "duplicate of key present in binaryData"
            found.append(invalid(f"data[{key}]", key, detail))
    for key in config_map.binary_data:
        found += each_invalid(f"binaryData[{key}]", key, labels.config_key(key))
    found += _check_base64(config_map.binary_data, "binaryData")
    texts = sum(len(text.encode()) for text in config_map.data.values())
    if texts + _decoded_bytes(config_map.binary_data) > MOST_BYTES:
        found.append(too_long("[]", MOST_BYTES))
    return found


def check_secret(secret: Secret) -> Problems:
    found: Problems = []
    for key in secret.data:
        found += each_invalid(f"data[{key}]", key, labels.config_key(key))
    found += _check_base64(secret.data, "data")
    if _decoded_bytes(secret.data) > MOST_BYTES:
        found.append(too_long("data", MOST_BYTES))
    for key in _KEYS_OF_TYPE.get(secret.type or "", ()):
        if key not in secret.data:
            found.append(required(f"data[{key}]"))
    return found


def check_config_map_change(config_map: ConfigMap, old: ConfigMap) -> Problems:
    if not old.immutable:
        return []
    found = [] if config_map.immutable else [forbidden("immutable", _FIXED)]
    if config_map.data != old.data:
        found.append(forbidden("data", _FIXED))
    if config_map.binary_data != old.binary_data:
        found.append(forbidden("binaryData", _FIXED))
    return found


def check_secret_change(secret: Secret, old: Secret) -> Problems:
    found = [] if secret.type == old.type else [invalid("type", secret.type, IMMUTABLE)]
    if old.immutable:
        if not secret.immutable:
            found.append(forbidden("immutable", _FIXED))
        if secret.data != old.data:
            found.append(forbidden("data", _FIXED))
    return found


def _check_base64(values: Mapping[str, str], path: str) -> Problems:
    """The value itself is not repeated: it may be secret."""
    hidden = GoText("<value omitted>")
    return [
        invalid(f"{path}[{key}]", hidden, "illegal base64 data")
        for key, text in values.items()
        if _decoded(text) is None
    ]


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _decoded_bytes(values: Mapping[str, str]) -> int:
    return sum(len(_decoded(text) or b"") for text in values.values())
