"""What the gateway counted in the last minutes, second by second: figures for metrics. Pure memory.

A second that nobody could observe is missing, never zero; averages are over the seconds that were seen.
A key that is silent while the gateway speaks had no requests and no replicas: that is zero.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.link.gateway import FromGateway, Hello, RouteSample, Sample
from tidegate.routing.latency import edges_ms, merged, percentile_ms

KEPT_S = 180.0


@dataclass(frozen=True, slots=True)
class Window:
    """Of monotonic time, its end left out."""

    begin_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.begin_s

    def holds(self, at_s: float) -> bool:
        """Whether the second that ended then lies in it."""
        return self.begin_s < at_s <= self.end_s


_BATCH: Mapping[str, Callable[[Sample], float]] = {
    "batch_requests_per_second": lambda sample: float(sample.batch),
    "batch_running": lambda sample: float(sample.batch_running),
    "batch_queue": lambda sample: float(sample.batch_waiting),
    "batch_yields_per_second": lambda sample: float(sample.batch_yielded),
}


@dataclass(slots=True)
class Traffic:
    """Owned by the event loop; a listener of the gateway's link."""

    _lanes: dict[str, deque[Sample]] = field(default_factory=lambda: defaultdict(deque))
    _routes: dict[str, deque[RouteSample]] = field(default_factory=lambda: defaultdict(deque))
    _connected: bool = False

    def on_message(self, message: FromGateway) -> None:
        match message:
            case Hello():
                self._connected = True
            case Sample():
                self._connected = True
                self._add(self._lanes[message.revision], message)
            case RouteSample():
                self._add(self._routes[message.route], message)
            case _:
                pass

    def _add(self, kept: deque[Sample] | deque[RouteSample], message: Sample | RouteSample) -> None:
        if kept and kept[-1].at_s >= message.at_s:
            return  # told again
        kept.append(message)  # type: ignore[arg-type]  # each deque holds one sort
        while kept[0].at_s < message.at_s - KEPT_S:
            kept.popleft()

    @property
    def speaks(self) -> bool:
        """Whether a gateway was ever there to count."""
        return self._connected

    def lanes(self) -> tuple[str, ...]:
        """The keys that were heard of."""
        return tuple(self._lanes)

    def routes(self) -> tuple[str, ...]:
        return tuple(self._routes)

    def rate(self, keys: Iterable[str], window: Window) -> float:
        """Arrivals a second, of all keys together."""
        return self._sum(keys, window, lambda sample: float(sample.requests))

    def concurrency(self, keys: Iterable[str], window: Window) -> float:
        """Requests in flight, those that wait at the gate among them."""
        return self._sum(keys, window, lambda sample: sample.concurrency)

    def queue(self, keys: Iterable[str], window: Window) -> float:
        """Requests that wait at the gate for a replica."""
        return self._sum(keys, window, lambda sample: float(sample.waiting))

    def errors(self, keys: Iterable[str], window: Window) -> float:
        """Answers 5xx a second."""
        return self._sum(keys, window, lambda sample: float(sample.errors))

    def batch(self, keys: Iterable[str], window: Window, figure: str) -> float:
        """Of batch requests: arrivals a second, those at replicas, at the gate, or that gave way."""
        return self._sum(keys, window, _BATCH[figure])

    def tokens(self, keys: Iterable[str], window: Window) -> float:
        """Tokens that clients got a second."""
        return self._sum(keys, window, lambda sample: float(sample.tokens))

    def latency_ms(self, keys: Iterable[str], window: Window, share: float) -> float:
        """What this share of the requests took at most; 0 when none was answered."""
        seen = [s.latency_buckets for key in keys for s in self._within(key, window)]
        return percentile_ms(merged(seen), share) or 0.0

    def mean_ms(self, keys: Iterable[str], window: Window) -> float:
        """What requests took on average, from the buckets' middles; 0 when none was answered."""
        seen = merged(s.latency_buckets for key in keys for s in self._within(key, window))
        total_ms = sum(count * sum(edges_ms(bucket)) / 2 for bucket, count in seen.items())
        return total_ms / sum(seen.values()) if seen else 0.0

    def requests(self, keys: Iterable[str], window: Window) -> int:
        """How many arrived."""
        return sum(sample.requests for key in keys for sample in self._within(key, window))

    def route_requests(self, keys: Iterable[str], window: Window) -> int:
        """How many arrived by these routes."""
        return sum(
            sample.requests
            for key in keys
            for sample in self._routes.get(key, ())
            if window.holds(sample.at_s)
        )

    def _sum(self, keys: Iterable[str], window: Window, figure: Callable[[Sample], float]) -> float:
        total = 0.0
        for key in keys:
            seen = [figure(sample) for sample in self._within(key, window)]
            total += sum(seen) / len(seen) if seen else 0.0
        return total

    def _within(self, key: str, window: Window) -> list[Sample]:
        return [sample for sample in self._lanes.get(key, ()) if window.holds(sample.at_s)]
