"""What the environment may say, and what it is told if it says something else."""

import json

import pytest

from tidegate.sources.kafka.retries import Backoff
from tidegate.sources.kafka.settings import (
    Credentials,
    Net,
    SettingsProblem,
    SourceSettings,
    credentials,
    decoded,
    security,
)
from tidegate.sources.kafka_sink.settings import SinkSettings

LEAST = {
    "bootstrapServers": ["b:9092"],
    "topics": ["t"],
    "consumerGroup": "g",
    "source": "/s",
    "sink": {"url": "http://h:81/a?b=c"},
}


def read(**more):
    return decoded({"K_SOURCE": json.dumps({**LEAST, **more})}, "K_SOURCE", SourceSettings)


def test_the_least_there_is_has_knatives_defaults():
    settings = read()
    rules = settings.delivery.rules
    assert (rules.tries, rules.backoff, rules.delay_s, rules.timeout_s) == (
        11,
        Backoff.EXPONENTIAL,
        0.3,
        600.0,
    )
    assert (settings.ordering, settings.initial_offset, settings.in_flight) == (
        "ordered",
        "latest",
        100,
    )
    assert (settings.sink.origin.port, settings.sink.target) == (81, "/a?b=c")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"bootstrapServers": []}, "bootstrapServers must not be empty"),
        ({"bootstrapServers": ["b"]}, "'b' is not HOST:PORT"),
        ({"topics": []}, "topics"),
        ({"sink": {"url": "ftp://h"}}, "ftp"),
        ({"delivery": {"retry": -1}}, "retry"),
        ({"delivery": {"backoffPolicy": "wild"}}, "wild"),
        ({"ordering": "any"}, "any"),
        ({"keyType": "json"}, "json"),
        ({"maxInFlight": 0}, "maxInFlight"),
        ({"extensions": {"Big": "x"}}, "Big"),
        ({"typo": 1}, "typo"),
    ],
)
def test_what_is_wrong_is_named(more, said):
    with pytest.raises(SettingsProblem, match=said):
        read(**more)


def test_no_settings_at_all_are_named_too():
    with pytest.raises(SettingsProblem, match="K_SOURCE is not set"):
        decoded({}, "K_SOURCE", SourceSettings)


def test_the_secrets_type_wins_over_the_documents():
    found = credentials(
        {"KAFKA_SASL_USER": "u", "KAFKA_SASL_PASSWORD": "p", "KAFKA_SASL_TYPE": "SCRAM-SHA-512"}
    )
    net = read(net={"sasl": {"enable": True, "type": "PLAIN"}}).net
    assert security(net, found)["sasl_mechanism"] == "SCRAM-SHA-512"


@pytest.mark.parametrize(
    ("net", "secrets", "said"),
    [
        ({"sasl": {"enable": True}}, Credentials(), "KAFKA_SASL_USER"),
        ({"sasl": {"enable": True, "type": "GSSAPI"}}, Credentials("u", "p"), "GSSAPI"),
        ({"tls": {"enable": True}}, Credentials(ca="no pem"), "PEM"),
    ],
)
def test_credentials_that_cannot_work_are_refused_at_the_start(net, secrets, said):
    with pytest.raises(SettingsProblem, match=said):
        security(read(net=net).net, secrets)


def test_without_sasl_and_tls_secrets_are_not_used():
    assert security(Net(), Credentials("u", "p")) == {"security_protocol": "PLAINTEXT"}


def test_a_sinks_partitions_are_at_least_one():
    text = json.dumps({"bootstrapServers": ["b:1"], "topic": "t", "numPartitions": 0})
    with pytest.raises(SettingsProblem, match="numPartitions"):
        decoded({"K_SINK_CONFIG": text}, "K_SINK_CONFIG", SinkSettings)
