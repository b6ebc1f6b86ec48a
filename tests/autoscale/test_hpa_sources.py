"""Where metrics come from: the pods' pages, a Prometheus server, the gateway's counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.autoscale.hpa.asked import Asked
from tidegate.autoscale.hpa.fetch import NotFetched
from tidegate.autoscale.hpa.gateway_metrics import GatewayMetrics, NotCounted, upstream_name
from tidegate.autoscale.hpa.pages import Pages, place_of
from tidegate.autoscale.hpa.prometheus import NoAnswer, query
from tidegate.autoscale.hpa.sources import Sources
from tidegate.autoscale.hpa.traffic import Traffic, Window
from tidegate.link.gateway import Hello, RouteSample, Sample
from tidegate.model.containers import Container, ContainerPort
from tidegate.model.core import Service, ServicePort, ServiceSpec
from tidegate.model.ingresses import (
    HTTPIngressPath,
    HTTPIngressRuleValue,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    ServiceBackendPort,
)
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import (
    LocalPod,
    LocalPort,
    Pod,
    PodSpec,
    PodStatus,
)
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.config_metrics import QueryFor, parse_config_metrics
from tidegate.policy.errors import BadConfig
from tidegate.routing.latency import bucket_of_s
from tidegate.scaling.hpa import ExternalReading, PodsReading, ReadFailed
from tidegate.testing.api import make_guarded_api
from tidegate.testing.clocks import LoopClock

PAGE = """# TYPE queue_depth gauge
queue_depth{queue="a"} 12.5
queue_depth{queue="b"} 3
# TYPE hits_total counter
hits_total %d
"""


def pod(name: str = "web-1", *, local: int = 20001, **annotations: str) -> Pod:
    notes = {f"prometheus.io/{key}": value for key, value in annotations.items()}
    container = Container(name="main", ports=(ContainerPort(container_port=8080),))
    ports = (LocalPort(container="main", container_port=8080, local_port=local),)
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            labels={"app": "web"},
            annotations=notes,
        ),
        spec=PodSpec(containers=(container,)),
        status=PodStatus(phase="Running", tidegate=LocalPod(ports=ports)),
    )


def asked(*pods: Pod, at: float = 1000.0) -> Asked:
    return Asked("default", pods, at)


def pages(*texts: str) -> Callable[[str], bytes]:
    """What is fetched, look by look; the last one stays."""
    left = list(texts)

    def get(url: str) -> bytes:
        return (left.pop(0) if len(left) > 1 else left[0]).encode()

    return get


def refuse(url: str) -> bytes:
    raise NotFetched(f"{url}: connection refused")


# --- pages


async def test_a_gauge_is_the_sum_of_its_series_or_of_those_that_match():
    found = Pages(pages(PAGE % 0))
    whole = await found.read("queue_depth", {}, asked(pod()))
    part = await found.read("queue_depth", {"queue": "a"}, asked(pod()))
    assert isinstance(whole, PodsReading)
    assert isinstance(part, PodsReading)
    assert [(item.pod, item.milli) for item in whole.items] == [("web-1", 15500)]
    assert [item.milli for item in part.items] == [12500]


async def test_a_counter_is_had_as_its_rate_from_the_second_look_on():
    found = Pages(pages(PAGE % 100, PAGE % 160))
    first = await found.read("hits", {}, asked(pod(), at=1000))
    second = await found.read("hits", {}, asked(pod(), at=1015))
    assert first == ReadFailed("the rate of hits_total is known from the next look on")
    assert isinstance(second, PodsReading)
    assert [item.milli for item in second.items] == [4000]


async def test_a_counter_that_began_anew_counts_from_zero():
    found = Pages(pages(PAGE % 100, PAGE % 30))
    await found.read("hits", {}, asked(pod(), at=1000))
    again = await found.read("hits", {}, asked(pod(), at=1015))
    assert isinstance(again, PodsReading)
    assert [item.milli for item in again.items] == [2000]


async def test_several_metrics_of_one_visit_come_from_one_look():
    fetched: list[str] = []

    def get(url: str) -> bytes:
        fetched.append(url)
        return (PAGE % 0).encode()

    found = Pages(get)
    await found.read("queue_depth", {}, asked(pod()))
    await found.read("hits", {}, asked(pod()))
    assert fetched == ["http://127.0.0.1:20001/metrics"]


async def test_a_metric_that_no_page_has_and_a_page_that_cannot_be_read_are_told_apart():
    absent = await Pages(pages(PAGE % 0)).read("lag", {}, asked(pod()))
    silent = await Pages(refuse).read("lag", {}, asked(pod()))
    assert absent == ReadFailed("the server could not find the metric lag for pods")
    assert isinstance(silent, ReadFailed)
    assert silent.why.startswith("no page of the pods can be read: web-1: http://127.0.0.1:20001")


async def test_a_pod_whose_page_fails_is_missing_and_the_others_count():
    def get(url: str) -> bytes:
        return refuse(url) if ":20002" in url else (PAGE % 0).encode()

    both = asked(pod(), pod("web-2", local=20002))
    found = await Pages(get).read("queue_depth", {}, both)
    assert isinstance(found, PodsReading)
    assert [item.pod for item in found.items] == ["web-1"]


async def test_what_is_no_page_is_a_failure_and_no_crash():
    found = await Pages(pages("<html>{{{ 1 2 3")).read("queue_depth", {}, asked(pod()))
    assert isinstance(found, ReadFailed)


@pytest.mark.parametrize(
    ("annotations", "place"),
    [
        pytest.param({}, "http://127.0.0.1:20001/metrics", id="the first declared port"),
        pytest.param({"path": "stats"}, "http://127.0.0.1:20001/stats", id="another path"),
        pytest.param({"port": "9100"}, "http://127.0.0.1:9100/metrics", id="a port of its own"),
        pytest.param({"port": "8080"}, "http://127.0.0.1:20001/metrics", id="a declared port"),
        pytest.param({"scrape": "false"}, None, id="left alone"),
    ],
)
def test_a_page_is_where_the_annotations_say(annotations, place):
    assert place_of(pod(**annotations)) == place


# --- a Prometheus server


def server(answer: object) -> Callable[[str], bytes]:
    return lambda url: json.dumps(answer).encode()


def vector(*values: tuple[dict[str, str], str]) -> object:
    result = [{"metric": labels, "value": [1000.5, figure]} for labels, figure in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


async def test_a_query_is_sent_and_its_values_are_read_without_those_that_are_none():
    sent: list[str] = []

    def get(url: str) -> bytes:
        sent.append(url)
        return json.dumps(vector(({"pod": "a"}, "1.2345"), ({"pod": "b"}, "NaN"))).encode()

    values = await query("http://prom:9090", 'sum(x{a="b"})', get_=get)
    assert [(v.labels["pod"], v.milli, v.at_s) for v in values] == [("a", 1235, 1000.5)]
    assert parse_qs(urlsplit(sent[0]).query) == {"query": ['sum(x{a="b"})']}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": "error", "error": "parse error"}, "parse error"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "matrix"),
        ({"nothing": 1}, "another form"),
        ([], "another form"),
    ],
)
async def test_an_answer_that_says_nothing_is_named(answer, why):
    with pytest.raises(NoAnswer, match=why):
        await query("http://prom:9090", "x", get_=server(answer))


async def test_a_server_that_is_not_there_is_named():
    with pytest.raises(NoAnswer, match="connection refused"):
        await query("http://prom:9090", "x", get_=refuse)


def test_rules_are_filled_in():
    config = parse_config_metrics(
        {
            "prometheus-url": "http://prom:9090/",
            "lag.external": 'max(lag{namespace="<namespace>",<labels>})',
            "hits.pods": 'rate(hits{pod=~"<pods>"}[1m])',
            "hits.server": "http://other:9090",
        }
    )
    lag, hits = config.queries["lag", QueryFor.EXTERNAL], config.queries["hits", QueryFor.PODS]
    text = lag.filled(namespace="default", labels={"topic": 'a"b'})
    assert (lag.server, text) == ("http://prom:9090", 'max(lag{namespace="default",topic="a\\"b"})')
    assert hits.server == "http://other:9090"
    assert hits.filled(namespace="d", labels={}, pods=["a", "b"]) == 'rate(hits{pod=~"a|b"}[1m])'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"lag.external": "max(lag)"}, "lag.external has no server"),
        ({"prometheus-url": "prom:9090"}, "it must be a URL"),
        ({"prometheus-url": "http://p", "lag.external": "<host>"}, "has <host>"),
        ({"prometheus-url": "http://p", "lag.external": " "}, "is empty"),
        ({"lag": "max(lag)"}, "lag is none of"),
    ],
)
def test_rules_that_say_nothing_are_refused_by_name(data, why):
    with pytest.raises(BadConfig, match=why):
        parse_config_metrics(data)


# --- the gateway


def second(at_s: float, key: str = "svc:default/web:80", **figures: object) -> Sample:
    fields = {"concurrency": 0.0, "requests": 0, "waiting": 0, "running": 0, **figures}
    return Sample(revision=key, at_s=at_s, **fields)  # type: ignore[arg-type]


def told(*samples: Sample | RouteSample) -> Traffic:
    traffic = Traffic()
    traffic.on_message(Hello(pid=1, boot="b", seq=0))
    for sample in samples:
        traffic.on_message(sample)
    return traffic


def test_averages_are_over_the_seconds_that_were_seen():
    traffic = told(*(second(at, requests=10, concurrency=2.0) for at in (1, 2, 5)))
    window = Window(0, 10)
    assert (traffic.rate(["svc:default/web:80"], window)) == 10
    assert (traffic.concurrency(["svc:default/web:80"], window)) == 2


def test_a_second_that_is_told_again_counts_once():
    traffic = told(second(1, requests=10), second(1, requests=10))
    assert traffic.requests(["svc:default/web:80"], Window(0, 10)) == 10


def test_a_window_leaves_out_the_second_that_ends_at_its_start():
    traffic = told(*(second(at, requests=1) for at in range(1, 11)))
    assert traffic.requests(["svc:default/web:80"], Window(4, 8)) == 4


def test_a_percentile_is_of_all_seconds_together():
    fast, slow = bucket_of_s(0.010), bucket_of_s(0.5)
    traffic = told(second(1, latency_buckets={fast: 95}), second(2, latency_buckets={slow: 5}))
    keys, window = ["svc:default/web:80"], Window(0, 10)
    assert traffic.latency_ms(keys, window, 0.5) == pytest.approx(10, rel=0.05)
    assert traffic.latency_ms(keys, window, 0.99) == pytest.approx(500, rel=0.05)
    assert traffic.latency_ms(["svc:default/idle:80"], window, 0.99) == 0


def gateway(traffic: Traffic) -> GatewayMetrics:
    return GatewayMetrics(make_guarded_api(LoopClock()), traffic)


def test_a_log_services_route_is_namespace_service_and_port():
    assert upstream_name("svc:default/bert-tf-serving:8501") == "default-bert-tf-serving-8501"


def test_queries_per_second_are_of_an_interval_that_ended_a_while_ago_and_whole():
    samples = [second(at, "svc:default/bert:8501", requests=11) for at in range(1, 101)]
    found = gateway(told(*samples))
    route = {"sls.ingress.route": "default-bert-8501", "sls.project": "p", "sls.logstore": "l"}
    qps = found.external("sls_ingress_qps", "default", route, now_s=100.4)
    stale = found.external("sls_ingress_qps", "default", route, now_s=112.0)
    other = found.external(
        "sls_ingress_qps", "default", route | {"sls.ingress.route": "x"}, now_s=100
    )
    assert (qps, stale, other) == (11, 9, 0)  # 13 of the 15 seconds before 102 were seen


def test_the_interval_and_the_delay_can_be_said():
    samples = [second(at, "svc:default/bert:8501", requests=at) for at in range(1, 101)]
    labels = {"sls.query.interval": "20", "sls.query.delay": "0"}
    found = gateway(told(*samples)).external("sls_ingress_qps", "default", labels, now_s=100)
    assert found == sum(range(81, 101)) // 20
    with pytest.raises(NotCounted, match=r"sls.query.delay"):
        gateway(told(*samples)).external(
            "sls_ingress_qps", "default", {"sls.query.delay": "soon"}, now_s=100
        )


def test_latencies_of_a_route_are_those_of_its_requests():
    buckets = {bucket_of_s(0.010): 90, bucket_of_s(0.110): 10}
    found = gateway(told(second(90, "svc:default/bert:8501", latency_buckets=buckets)))
    route = {"sls.ingress.route": "default-bert-8501", "sls.query.delay": "0"}

    def ms(figure: str) -> float:
        return found.external(f"sls_ingress_latency_{figure}", "default", route, now_s=95)

    assert ms("avg") == pytest.approx(20, rel=0.1)
    assert ms("p50") == pytest.approx(10, abs=1)
    assert ms("p9999") == pytest.approx(110, rel=0.06)


def test_batch_requests_have_figures_of_their_own():
    seconds = (
        second(
            at, "default/m", requests=1, batch=4, batch_running=2, batch_waiting=3, batch_yielded=1
        )
        for at in range(80, 91)
    )
    found = gateway(told(*seconds))

    def figure(name: str) -> float:
        return found.external(f"tidegate_{name}", "default", {"revision": "m"}, now_s=90)

    names = ("requests_per_second", "running", "queue", "yields_per_second")
    assert [figure(f"batch_{name}") for name in names] == [4, 2, 3, 1]
    assert figure("requests_per_second") == 1


def test_a_label_that_nobody_knows_is_named_and_not_passed_over():
    with pytest.raises(NotCounted, match=r"no label sls\.ingress\.rout"):
        gateway(told()).external("sls_ingress_qps", "default", {"sls.ingress.rout": "x"}, now_s=9)
    with pytest.raises(NotCounted, match="no label topic"):
        gateway(told()).external("tidegate_queue", "default", {"topic": "x"}, now_s=9)


def test_a_knative_service_is_a_route_of_port_80():
    samples = [
        RouteSample(route="default/hello", at_s=at, requests=30, errors=0) for at in range(80, 91)
    ]
    route = {"sls.ingress.route": "default-hello-80", "sls.query.delay": "0"}
    assert gateway(told(*samples)).external("sls_ingress_qps", "default", route, now_s=90) == 22


def test_tokens_per_second_are_an_average_over_the_window():
    samples = [second(at, "svc:default/llm:80", tokens=20) for at in range(71, 101)]
    found = gateway(told(*samples)).external("tidegate_tokens_per_second", "default", {}, now_s=100)
    assert found == 20


def test_a_figure_that_the_gateway_does_not_count_is_named_with_those_that_it_does():
    with pytest.raises(NotCounted, match="tidegate_requests_per_second"):
        gateway(told()).external("tidegate_tokens", "default", {}, now_s=10)
    with pytest.raises(NotCounted, match="no gateway has told anything"):
        gateway(Traffic()).external("tidegate_queue", "default", {}, now_s=10)


async def test_an_ingress_is_the_sum_of_the_services_behind_it():
    api = make_guarded_api(LoopClock())
    await ensure_namespaces(api)
    for name, port in (("a", 80), ("b", 8501)):
        spec = ServiceSpec(selector={"app": name}, ports=(ServicePort(port=port, name="http"),))
        await api.create(Service(metadata=ObjectMeta(name=name, namespace="default"), spec=spec))
    paths = tuple(
        HTTPIngressPath(
            path=f"/{name}",
            path_type="Prefix",
            backend=IngressBackend(
                service=IngressServiceBackend(name=name, port=ServiceBackendPort(name="http"))
            ),
        )
        for name in ("a", "b")
    )
    rule = IngressRule(host="x.example", http=HTTPIngressRuleValue(paths=paths))
    meta = ObjectMeta(name="front", namespace="default")
    await api.create(Ingress(metadata=meta, spec=IngressSpec(rules=(rule,))))
    traffic = told(
        second(99, "svc:default/a:80", requests=3),
        second(99, "svc:default/b:8501", requests=4),
        second(99, "svc:default/c:80", requests=50),
    )
    found = GatewayMetrics(api, traffic)
    metric = "tidegate_requests_per_second"
    assert found.of_object(metric, "Ingress", "default", "front", now_s=100) == 7
    assert found.of_object(metric, "Service", "default", "b", now_s=100) == 4
    with pytest.raises(NotCounted, match='services "nobody" not found'):
        found.of_object(metric, "Service", "default", "nobody", now_s=100)


class Elsewhere:
    """Knows the metrics with a label `mine`."""

    def asked(self, labels: Mapping[str, str]) -> bool:
        return "mine" in labels

    async def external(
        self, metric: str, labels: Mapping[str, str], *, namespace: str
    ) -> ExternalReading | ReadFailed:
        return ExternalReading((len(metric) * 1000,))


async def test_others_are_asked_for_external_metrics_that_are_theirs():
    clock, config = LoopClock(), ClusterConfig(lambda name: {})
    api = make_guarded_api(clock)
    sources = Sources(api, clock, config, told(), others=(Elsewhere(),))
    theirs = await sources.external("lag", {"mine": "x"}, namespace="default")
    nobodys = await sources.external("lag", {}, namespace="default")
    assert theirs.reading == ExternalReading((3000,))
    assert isinstance(nobodys.reading, ReadFailed)
