"""The pods' own Prometheus pages: any metric of theirs, pod by pod.

Where a page is: the annotations prometheus.io/port and prometheus.io/path, else the first port that a
container declares, and /metrics. A pod with prometheus.io/scrape "false" is left alone. A gauge is the
sum of its series; a counter `x_total` is had as `x`, a rate a second since the look before, as the
Prometheus adapter names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, isfinite

from tidegate.autoscale.hpa.asked import Asked
from tidegate.autoscale.hpa.fetch import Get, NotFetched, fetch, get
from tidegate.model.pods import Pod
from tidegate.scaling.hpa import PodsReading, PodValue, ReadFailed

_SCRAPE, _PORT, _PATH = "prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path"
_STANDS_S = 2.0  # several metrics of one visit come from one look
_TOTAL = "_total"

Series = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Page:
    """One look at a pod's page. `failed`: why there is none. `before`: the look before it, for
    rates."""

    at_s: float
    series: tuple[Series, ...] = ()
    failed: str = ""
    before: Page | None = None


@dataclass(slots=True)
class Pages:
    """Owner of the last looks. `get_` fetches a URL; times are wall seconds."""

    get_: Get = get
    _last: dict[str, Page] = field(default_factory=dict)  # by pod uid

    async def read(
        self, metric: str, labels: Mapping[str, str], asked: Asked
    ) -> PodsReading | ReadFailed:
        """Of the pods that have a figure. None has: why not."""
        pages = await self._look(asked)
        items = [
            PodValue(name, value, page.at_s)
            for name, page in pages
            if (value := _milli(page, metric, labels)) is not None
        ]
        if items or not pages:
            return PodsReading(tuple(items))
        failed = [f"{name}: {page.failed}" for name, page in pages if page.failed]
        if len(failed) == len(pages):
            return ReadFailed(f"no page of the pods can be read: {failed[0]}")
        if any(_sum(page.series, metric + _TOTAL, labels) is not None for _, page in pages):
            return ReadFailed(f"the rate of {metric}{_TOTAL} is known from the next look on")
        return ReadFailed(f"the server could not find the metric {metric} for pods")

    async def prepare(self, asked: Asked) -> None:
        """A first look, so that the next one has rates."""
        await self._look(asked)

    async def _look(self, asked: Asked) -> list[tuple[str, Page]]:
        running = [pod for pod in asked.pods if pod.status and pod.status.phase == "Running"]
        places = [(pod, place) for pod in running if (place := place_of(pod)) is not None]
        async with asyncio.TaskGroup() as tasks:
            looks = [tasks.create_task(self._page(pod, url, asked.now_s)) for pod, url in places]
        present = {pod.metadata.uid or "" for pod, _ in places}
        found = [
            (pod.metadata.name, look.result()) for (pod, _), look in zip(places, looks, strict=True)
        ]
        self._forget(present, asked.now_s)
        return found

    async def _page(self, pod: Pod, url: str, now_s: float) -> Page:
        uid = pod.metadata.uid or ""
        last = self._last.get(uid)
        if last is not None and 0 <= now_s - last.at_s < _STANDS_S:
            return last
        try:
            series = tuple(parse((await fetch(self.get_, url)).decode("utf-8", "replace")))
            page = Page(now_s, series)
        except (NotFetched, ValueError) as why:
            page = Page(now_s, failed=str(why) or type(why).__name__)
        if last is not None and not last.failed:
            page = Page(page.at_s, page.series, page.failed, Page(last.at_s, last.series))
        self._last[uid] = page
        return page

    def _forget(self, present: Iterable[str], now_s: float) -> None:
        """Pods that nobody asked for in ten minutes."""
        kept = set(present)
        self._last = {
            uid: page for uid, page in self._last.items() if uid in kept or now_s - page.at_s < 600
        }


def place_of(pod: Pod) -> str | None:
    """The URL of a pod's page; None: it has none, or isn't to be asked."""
    notes = pod.metadata.annotations
    if notes.get(_SCRAPE, "").lower() == "false":
        return None
    local = pod.status.tidegate if pod.status else None
    declared = [port.container_port for c in pod.spec.containers for port in c.ports]
    said = notes.get(_PORT, "")
    wanted = int(said) if said.isdigit() else next(iter(declared), None)
    if wanted is None:
        return None
    ports = {port.container_port: port.local_port for port in (local.ports if local else ())}
    host = (pod.status.pod_ip if pod.status else None) or "127.0.0.1"
    path = "/" + (notes.get(_PATH) or "/metrics").lstrip("/")
    return f"http://{host}:{ports.get(wanted, wanted)}{path}"


def parse(text: str) -> Iterable[Series]:
    """The samples of a page. Raises ValueError for what is none."""
    from prometheus_client.parser import text_string_to_metric_families  # 2 MiB that few need

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _milli(page: Page, metric: str, labels: Mapping[str, str]) -> int | None:
    """Thousandths, rounded up; None: the page has no such figure (yet)."""
    value = _sum(page.series, metric, labels)
    if value is None:
        value = _rate(page, metric + _TOTAL, labels)
    return None if value is None or not isfinite(value) else ceil(round(value * 1000, 6))


def _rate(page: Page, metric: str, labels: Mapping[str, str]) -> float | None:
    now, before = _sum(page.series, metric, labels), None
    if page.before is not None:
        before = _sum(page.before.series, metric, labels)
    if now is None or before is None or page.before is None:
        return None
    grown = now - before if now >= before else now  # it began anew
    return grown / (page.at_s - page.before.at_s)


def _sum(series: Iterable[Series], metric: str, labels: Mapping[str, str]) -> float | None:
    found = [
        value for name, has, value in series if name == metric and labels.items() <= has.items()
    ]
    return sum(found) if found else None
