"""The config map `config-metrics`: metrics that a Prometheus server has, by the names autoscalers use.

    prometheus-url: http://127.0.0.1:9090           # of all rules that name no server
    queue_depth.external: sum(queue_depth{<labels>})
    queue_depth.server: http://10.0.0.7:9090        # of this metric only
    lag.object: max(lag{service="<object>"})
    http_requests.pods: sum(rate(http_requests_total{pod=~"<pods>"}[1m])) by (pod)

`<namespace>`, `<object>` (its name), `<pods>` (their names as a regular expression) and `<labels>` (the
metric's selector as matchers, `a="b",c="d"`) are filled in. A `.pods` query answers with a label `pod`.
As the Prometheus adapter's rules, without their templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from tidegate.policy.errors import BadConfig

NAME = "config-metrics"
_URL = "prometheus-url"
_SERVER = "server"
_PLACE = re.compile(r"<([a-z]+)>")
_PLACES = ("namespace", "object", "pods", "labels")


class QueryFor(StrEnum):
    PODS = "pods"
    OBJECT = "object"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Query:
    """`server`: the base URL of its API."""

    text: str
    server: str

    def filled(
        self,
        *,
        namespace: str,
        labels: Mapping[str, str],
        object_name: str = "",
        pods: Iterable[str] = (),
    ) -> str:
        """The PromQL to send."""
        values = {
            "namespace": namespace,
            "object": object_name,
            "pods": "|".join(map(re.escape, pods)).replace("\\", "\\\\"),
            "labels": ",".join(
                f"{name}={_quoted(value)}" for name, value in sorted(labels.items())
            ),
        }
        return _PLACE.sub(lambda match: values.get(match[1], match[0]), self.text)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    queries: Mapping[tuple[str, QueryFor], Query] = field(default_factory=dict)


def parse_config_metrics(data: Mapping[str, str]) -> MetricsConfig:
    """Raises `BadConfig`."""
    servers: dict[str, str] = {}
    texts: dict[tuple[str, QueryFor], str] = {}
    for key, value in data.items():
        name, _, sort = key.rpartition(".")
        if key == _URL:
            servers[""] = _url(key, value)
        elif key == "_example":
            continue
        elif name and sort == _SERVER:
            servers[name] = _url(key, value)
        elif name and sort in set(QueryFor):
            texts[name, QueryFor(sort)] = _query(key, value)
        else:
            raise BadConfig(
                NAME,
                f"{key} is none of {_URL}, NAME.external, NAME.object, NAME.pods, NAME.server",
            )
    queries = {}
    for (name, sort), text in texts.items():
        server = servers.get(name) or servers.get("")
        if server is None:
            raise BadConfig(NAME, f"{name}.{sort} has no server: say {_URL} or {name}.server")
        queries[name, sort] = Query(text, server)
    return MetricsConfig(queries)


def _url(key: str, value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadConfig(NAME, f'{key} is "{value}": it must be a URL such as http://127.0.0.1:9090')
    return value.strip().rstrip("/")


def _query(key: str, value: str) -> str:
    if not value.strip():
        raise BadConfig(NAME, f"{key} is empty: it must be a PromQL query")
    for place in _PLACE.findall(value):
        if place not in _PLACES:
            known = ", ".join(f"<{name}>" for name in _PLACES)
            raise BadConfig(NAME, f"{key} has <{place}>: only {known} are filled in")
    return value.strip()


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
