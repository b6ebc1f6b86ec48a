"""KEDA's triggers but for Kafka's: what is read out of their texts, and what is refused."""

from __future__ import annotations

import pytest

from tidegate.model.keda import KedaAuthenticationRef, KedaTrigger
from tidegate.policy.keda import BadTrigger, metric_name, read_trigger

PROMETHEUS = {"serverAddress": "http://prom:9090/", "query": "up", "threshold": "2.5"}
CRON = {
    "timezone": "Asia/Shanghai",
    "start": "0 8 * * *",
    "end": "0 20 * * *",
    "desiredReplicas": "3",
}


def trigger(type_: str, kind: str | None = None, **metadata: str) -> KedaTrigger:
    return KedaTrigger(type=type_, metric_type=kind, metadata=metadata)


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        pytest.param(trigger("cpu", value="50"), "Utilization", "50", id="a share, by default"),
        pytest.param(
            trigger("cpu", "AverageValue", value="200m"), "AverageValue", "200m", id="a mean"
        ),
        pytest.param(
            trigger("memory", type="AverageValue", value="1Gi"), "AverageValue", "1Gi", id="old way"
        ),
        pytest.param(
            trigger("cpu", "Utilization", type="AverageValue", value="5"),
            "Utilization",
            "5",
            id="metricType goes before the old way",
        ),
    ],
)
def test_cpu_and_memory_are_shares_or_means(given, kind, value):
    read = read_trigger(given)
    assert (read.resource, read.kind, read.target, read.container) == (
        given.type,
        kind,
        value,
        None,
    )


def test_a_container_may_be_named():
    assert read_trigger(trigger("cpu", value="50", containerName="main")).container == "main"


def test_a_query_is_read_with_kedas_defaults():
    read = read_trigger(trigger("prometheus", **PROMETHEUS))
    assert (read.server, read.query, read.threshold) == ("http://prom:9090", "up", 2.5)
    assert (read.activation, read.kind, read.ignore_null) == (0, "AverageValue", True)
    picky = read_trigger(trigger("prometheus", "Value", **PROMETHEUS, ignoreNullValues="False"))
    assert (picky.kind, picky.ignore_null) == ("Value", False)


def test_a_cron_trigger_has_two_times_and_a_count():
    read = read_trigger(trigger("cron", **CRON))
    assert (read.start.cron, read.end.cron) == ("0 0 8 * * *", "0 0 20 * * *")
    assert read.replicas == 3


def test_metrics_have_the_names_that_keda_gives_them():
    assert metric_name(0, trigger("prometheus", **PROMETHEUS)) == "s0-prometheus"
    assert metric_name(1, trigger("cron", **CRON)) == "s1-cron-Asia-Shanghai-08xxx-020xxx"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (trigger("cpu"), "metadata.value"),
        (trigger("cpu", value="0"), "metadata.value"),
        (trigger("cpu", value="half"), "metadata.value"),
        (trigger("cpu", "AverageValue", value="lots"), "metadata.value"),
        (trigger("cpu", "Value", value="5"), "metricType"),
        (trigger("cpu", value="5", colour="red"), "metadata.colour"),
        (trigger("prometheus", **{**PROMETHEUS, "serverAddress": "prom:9090"}), "serverAddress"),
        (trigger("prometheus", **{**PROMETHEUS, "threshold": "0"}), "metadata.threshold"),
        (trigger("prometheus", **{**PROMETHEUS, "threshold": "x"}), "metadata.threshold"),
        (trigger("prometheus", "Utilization", **PROMETHEUS), "metricType"),
        (trigger("cron", **{**CRON, "timezone": "Mars"}), "metadata.timezone"),
        (trigger("cron", **{**CRON, "start": "soon"}), "metadata.start"),
        (trigger("cron", **{**CRON, "end": CRON["start"]}), "metadata.end"),
        (trigger("cron", **{**CRON, "desiredReplicas": "-1"}), "metadata.desiredReplicas"),
        (trigger("rabbitmq"), "type"),
        (
            KedaTrigger(
                type="cpu",
                metadata={"value": "5"},
                authentication_ref=KedaAuthenticationRef(name="x"),
            ),
            "authenticationRef",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(given, path):
    with pytest.raises(BadTrigger, match=path):
        read_trigger(given)
