"""The lag of consumer groups for triggers: credentials found, offsets read, commits remembered.

What can't be read is never zero: the reading fails with a sentence, and the scale stays.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tidegate.client.api import Reader
from tidegate.model.core import ConfigMap, Secret
from tidegate.model.keda import TriggerAuthentication
from tidegate.model.meta import Key
from tidegate.policy.keda_kafka import MECHANISMS, KafkaTrigger
from tidegate.scaling.hpa import ReadFailed
from tidegate.scaling.kafka_lag import Lag, Offsets, Place, total_lag


@dataclass(frozen=True, slots=True)
class Access:
    """How brokers are reached. `sasl` None: without; else a mechanism as Kafka calls it. PEM texts."""

    servers: tuple[str, ...]
    sasl: str | None = None
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = field(default=None, repr=False)
    key_password: str | None = field(default=None, repr=False)


class NoOffsets(OSError):
    """They could not be read; the sentence says why."""


class OffsetSource(Protocol):
    async def read(self, access: Access, group: str, topics: Sequence[str]) -> Sequence[Offsets]:
        """Of all partitions of the topics; no topics: all that the group committed on. Raises
        `NoOffsets`."""
        ...


class GroupLags:
    """Remembers what each ScaledObject's groups had committed, for `excludePersistentLag` only."""

    def __init__(self, api: Reader, source: OffsetSource) -> None:
        self._api, self._source = api, source
        self._commits: dict[tuple[Key, KafkaTrigger], dict[Place, int]] = {}

    async def of(self, trigger: KafkaTrigger, scaled: Key) -> Lag | ReadFailed:
        """`scaled`: whose trigger it is."""
        try:
            access = self._access(trigger, scaled.namespace)
            seen = await self._source.read(access, trigger.group, trigger.topics)
        except NoOffsets as why:
            return ReadFailed(f"group {trigger.group}: {why}")
        only = trigger.partitions
        counted = [o for o in seen if only is None or o.partition in only]
        if only is not None and not counted:
            return ReadFailed(
                f"group {trigger.group}: none of partitionLimitation's is in the topic"
            )
        key = (scaled, trigger)
        lag, commits = total_lag(trigger.rule, counted, self._commits.get(key, {}))
        if trigger.rule.exclude_persistent:
            self._commits[key] = commits
        return lag

    def _access(self, trigger: KafkaTrigger, namespace: str) -> Access:
        """Raises `NoOffsets`: what authentication needs isn't there."""
        given = self._parameters(trigger, namespace)
        said = given.get("sasl", "").strip()
        if said and trigger.sasl:
            raise NoOffsets("sasl is set in the trigger and in its TriggerAuthentication")
        sasl = trigger.sasl or (said if said != "none" else "")
        if sasl and sasl not in MECHANISMS:
            raise NoOffsets(f'sasl "{sasl}": served here are {", ".join(MECHANISMS)}')
        for name in ("username", "password") if sasl else ():
            if not given.get(name):
                raise NoOffsets(f"no {name} given: a TriggerAuthentication says it")
        tls = trigger.tls or given.get("tls", "").strip() == "enable"
        if tls and bool(given.get("cert")) != bool(given.get("key")):
            raise NoOffsets("cert and key must be given together")
        return Access(
            servers=trigger.servers,
            sasl=MECHANISMS.get(sasl),
            username=given.get("username", "").strip(),
            password=given.get("password", "").strip(),
            tls=tls,
            ca=given.get("ca") or None,
            cert=given.get("cert") or None,
            key=given.get("key") or None,
            key_password=given.get("keyPassword") or None,
        )

    def _parameters(self, trigger: KafkaTrigger, namespace: str) -> dict[str, str]:
        if trigger.authentication is None:
            return {}
        found = self._api.get(TriggerAuthentication, namespace, trigger.authentication)
        if found is None:
            raise NoOffsets(f'TriggerAuthentication "{trigger.authentication}" not found')
        given: dict[str, str] = {}
        for ref in found.spec.config_map_target_ref:
            config = self._api.get(ConfigMap, namespace, ref.name)
            if config is None or ref.key not in config.data:
                raise NoOffsets(f'configmap "{ref.name}" with a key "{ref.key}" not found')
            given[ref.parameter] = config.data[ref.key]
        for ref in found.spec.secret_target_ref:
            secret = self._api.get(Secret, namespace, ref.name)
            if secret is None or ref.key not in secret.data:
                raise NoOffsets(f'secret "{ref.name}" with a key "{ref.key}" not found')
            given[ref.parameter] = _decoded(secret.data[ref.key], ref.name, ref.key)
        return given


def _decoded(text: str, name: str, key: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError) as why:
        raise NoOffsets(f'secret "{name}": key "{key}" is no text') from why
