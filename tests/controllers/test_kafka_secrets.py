"""Credentials of a KafkaSink's Secret: what the protocol asks for must be there, and nothing else is used."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest

from tidegate.controllers.kafka.secrets import Credentials, of_auth
from tidegate.model.containers import LocalRef
from tidegate.model.core import Secret
from tidegate.model.kafka import KafkaAuth, KafkaAuthSecret
from tidegate.model.wire import read

AUTH = KafkaAuth(secret=KafkaAuthSecret(ref=LocalRef(name="kafka")))
USER = {"sasl.mechanism": "SCRAM-SHA-512", "user": "ann", "password": "right"}
PAIR = {"user.crt": "PEM", "user.key": "PEM"}


class OneSecret:
    def __init__(self, **values: str) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        raw = {"metadata": {"name": "kafka", "namespace": "default"}, "data": data}
        self.secret = read(raw, Secret)[0]

    def get(self, type_, namespace, name):
        return self.secret if name == "kafka" else None


def of(values: Mapping[str, str]) -> Credentials:
    return of_auth(AUTH, "default", OneSecret(**values))


def used(values: Mapping[str, str]) -> set[str]:
    found = of(values)
    assert found.trouble is None
    return {ref.key for _, ref in found.refs}


def test_a_sink_without_a_secret_needs_none():
    assert of_auth(None, "default", OneSecret()) == Credentials()


@pytest.mark.parametrize(
    ("protocol", "more", "keys"),
    [
        ("PLAINTEXT", {**USER, **PAIR}, set()),
        ("SASL_PLAINTEXT", {**USER, "ca.crt": "PEM"}, set(USER)),
        ("SASL_SSL", {**USER, "ca.crt": "PEM"}, {*USER, "ca.crt"}),
        ("SSL", {**PAIR, "ca.crt": "PEM"}, {*PAIR, "ca.crt"}),
        ("SSL", {**PAIR, "user.skip": "true"}, set()),
    ],
)
def test_a_protocol_uses_what_it_needs(protocol, more, keys):
    assert used({"protocol": protocol, **more}) == keys


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (USER, 'key "protocol" must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL'),
        ({"protocol": "TLS"}, 'key "protocol" must be one of'),
        ({"protocol": "SASL_SSL"}, 'has no key "user"'),
        ({"protocol": "SSL", "user.crt": "PEM"}, 'has no key "user.key"'),
        ({**USER, "protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, 'SASL type "GSSAPI"'),
    ],
)
def test_what_is_missing_in_it_is_named(values, said):
    assert said in (of(values).trouble or "")
