"""A broker's credentials: which secrets they are in, whether those are there, and how adapters get them.

Adapters get them by the environment (`valueFrom.secretKeyRef`), never in a document; what they were is
told apart by a digest, so that a changed password rolls the pods.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.client.api import Reader
from tidegate.model.containers import EnvVar, EnvVarSource, KeySelector
from tidegate.model.core import Secret
from tidegate.model.kafka import KafkaAuth, KafkaNet

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_USER, _PASSWORD, _TYPE = "KAFKA_SASL_USER", "KAFKA_SASL_PASSWORD", "KAFKA_SASL_TYPE"
_CA, _CERT, _KEY = "KAFKA_TLS_CA", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"
#: An authentication secret's keys, as eventing-kafka-broker's pkg/security has them.
_OF_AUTH: Mapping[str, str] = {
    _USER: "user",
    _PASSWORD: "password",
    _TYPE: "sasl.mechanism",
    _CA: "ca.crt",
    _CERT: "user.crt",
    _KEY: "user.key",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """`refs`: environment variable -> secret's key. `sasl_type`: as the secret says. `digest`: of all
    values, empty without any. `trouble` None: everything that is asked for is there."""

    sasl: bool = False
    tls: bool = False
    sasl_type: str = "PLAIN"
    refs: tuple[tuple[str, KeySelector], ...] = ()
    digest: str = ""
    trouble: str | None = None

    @property
    def env(self) -> tuple[EnvVar, ...]:
        return tuple(
            EnvVar(name=name, value_from=EnvVarSource(secret_key_ref=ref))
            for name, ref in self.refs
        )

    @property
    def net(self) -> dict[str, object]:
        """As an adapter's configuration has it: no secret in it."""
        return {
            "sasl": {"enable": self.sasl, "type": self.sasl_type},
            "tls": {"enable": self.tls},
        }


def of_net(net: KafkaNet | None, namespace: str, api: Reader) -> Credentials:
    """Of a KafkaSource's `spec.net`."""
    sasl = bool(net and net.sasl and net.sasl.enable)
    tls = bool(net and net.tls and net.tls.enable)
    return _read(tuple(_refs(net)) if net else (), namespace, api, sasl=sasl, tls=tls)


def of_auth(auth: KafkaAuth | None, namespace: str, api: Reader) -> Credentials:
    """Of a KafkaSink's `spec.auth.secret`: its `protocol` says what is used."""
    ref = auth.secret.ref if auth is not None and auth.secret is not None else None
    if ref is None:
        return Credentials()
    secret = api.get(Secret, namespace, ref.name)
    if secret is None:
        return Credentials(trouble=_absent(namespace, ref.name))
    protocol = (_text(secret, "protocol") or "").strip()
    if protocol not in _PROTOCOLS:
        said = f'secret "{namespace}/{ref.name}": key "protocol" must be one of '
        return Credentials(trouble=said + ", ".join(_PROTOCOLS))
    sasl, tls = protocol.startswith("SASL"), protocol.endswith("SSL")
    shown = tls and "user.crt" in secret.data and (_text(secret, "user.skip") or "") != "true"
    wanted = {
        _USER: sasl,
        _PASSWORD: sasl,
        _TYPE: sasl,
        _CA: tls and "ca.crt" in secret.data,
        _CERT: shown,
        _KEY: shown,
    }
    refs = tuple(
        (name, KeySelector(name=ref.name, key=_OF_AUTH[name]))
        for name, needed in wanted.items()
        if needed
    )
    return _read(refs, namespace, api, sasl=sasl, tls=tls)


def secret_names(net: KafkaNet | None) -> set[str]:
    """The secrets that a source's credentials are in."""
    return {ref.name for _, ref in _refs(net)} if net else set()


def _refs(net: KafkaNet) -> Iterator[tuple[str, KeySelector]]:
    sasl, tls = net.sasl, net.tls
    if sasl is not None and sasl.enable:
        for name, value in ((_USER, sasl.user), (_PASSWORD, sasl.password), (_TYPE, sasl.type)):
            if value is not None and value.secret_key_ref is not None:
                yield name, value.secret_key_ref
    if tls is not None and tls.enable:
        for name, value in ((_CA, tls.ca_cert), (_CERT, tls.cert), (_KEY, tls.key)):
            if value is not None and value.secret_key_ref is not None:
                yield name, value.secret_key_ref


def _read(
    refs: tuple[tuple[str, KeySelector], ...],
    namespace: str,
    api: Reader,
    *,
    sasl: bool,
    tls: bool,
) -> Credentials:
    digest, sasl_type = hashlib.sha256(), "PLAIN"
    for name, ref in refs:
        secret = api.get(Secret, namespace, ref.name)
        if secret is None:
            if ref.optional:
                continue
            return Credentials(sasl, tls, trouble=_absent(namespace, ref.name))
        value = _text(secret, ref.key)
        if value is None:
            if ref.optional:
                continue
            why = f'secret "{namespace}/{ref.name}" has no key "{ref.key}"'
            return Credentials(sasl, tls, trouble=why)
        if name == _TYPE:
            sasl_type = value.strip()
        digest.update(f"{name}={value}\0".encode())
    if sasl and sasl_type not in _MECHANISMS:
        known = ", ".join(_MECHANISMS)
        return Credentials(sasl, tls, trouble=f'SASL type "{sasl_type}" is none of {known}')
    return Credentials(sasl, tls, sasl_type, refs, digest.hexdigest()[:16] if refs else "")


def _absent(namespace: str, name: str) -> str:
    return f'secret "{namespace}/{name}" not found'


def _text(secret: Secret, key: str) -> str | None:
    encoded = secret.data.get(key)
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
