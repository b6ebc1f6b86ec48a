"""One revision's autoscaler, live: samples in, decisions and steps out. No I/O of its own.

Feeds the pure functions of `scaling` and keeps what they ask to be remembered. The gateway is
always in the path here and plays Knative's activator and queue-proxies at once: its samples count
everything that waits or runs, and `mode` is carried only because the rules ask for it.
"""

from __future__ import annotations

from dataclasses import replace
from math import floor

import msgspec

from tidegate.autoscale.rhythm import MAKE_UP_S, TICK_S, Saved, next_tick
from tidegate.link.gateway import Sample
from tidegate.model.serving import ScaleDecision
from tidegate.routing import BATCH_TRACE
from tidegate.scaling import (
    Decision,
    KpaSpec,
    KpaStatus,
    Metric,
    MetricWindows,
    Mode,
    Network,
    Observation,
    Rule,
    StepInput,
    StepResult,
    begin,
    decide,
    matters,
    sentence,
    step,
    step_sentence,
)


class RevisionScaler:
    """Owned by `Autoscaler`. All times are monotonic seconds."""

    def __init__(self, name: str, spec: KpaSpec, now_s: float, *, ready: int) -> None:
        self._name = name
        self.spec = spec
        self._windows = MetricWindows(spec)
        self._state = self._acted = begin(spec, now_s, ready=ready)
        self._status = KpaStatus.new(now_s)
        self._mode = Mode.PROXY
        self._proxy_since_s = now_s
        self._woken = False  # a wake was counted since the last sample
        self._wakes: tuple[float, ...] = ()  # those in the window; see `_without_wakes`
        self._evaluated_s = 0.0
        self.behind = False  # evaluations that nobody made since the restore are to be made up
        self._newest_s = 0.0  # end of the newest second that a sample told of
        self._newest_value = 0.0
        self._seen: Observation | None = None  # of the last decision, and the decision itself
        self._decided: Decision | None = None
        self.last_words = ""

    # --- memory

    def saved(self, boot: str) -> str:
        """The state as text for the object's status."""
        value = Saved(
            boot,
            self._state,
            self._status,
            self._mode,
            self._proxy_since_s,
            self._evaluated_s,
            self._wakes,
        )
        return msgspec.json.encode(value).decode()

    def restore(self, text: str, boot: str, now_s: float) -> bool:
        """Go on where an earlier control plane was. False: it was another boot, or unreadable."""
        try:
            value = msgspec.json.decode(text, type=Saved)
        except msgspec.DecodeError:
            return False
        if value.boot != boot:
            return False
        self._state, self._status = value.state, value.status
        self._acted = value.state
        self._mode, self._proxy_since_s = value.mode, value.proxy_since_s
        self._evaluated_s = max(value.evaluated_s, now_s - MAKE_UP_S)
        self.behind = value.evaluated_s > 0
        self._wakes = value.wakes
        for at_s in value.wakes:
            self._windows.record(at_s, 1.0)
        return True

    def edit(self, spec: KpaSpec, now_s: float) -> None:
        """Annotations, config maps or reachability changed."""
        if spec != self.spec:
            self.spec = spec
            self._windows.resize(now_s, spec)

    # --- what was seen

    def sample(self, sample: Sample) -> bool:
        """Count one second. Returns whether the revision should be evaluated at once: there is
        demand and the last decision was zero. A second that is told again counts once."""
        if sample.replay and sample.at_s <= self._newest_s:
            return False
        self._woken = False
        seen = sample.concurrency
        if self.spec.metric is Metric.RPS:
            seen = float(sample.requests)
            if sample.batch or sample.batch_running or sample.batch_waiting:
                seen = max(seen, BATCH_TRACE)
        value = self._without_wakes(sample.at_s, seen)
        self._bridge(sample.at_s)
        # A sample is stamped with the end of its second.
        self._windows.record(sample.at_s, value)
        self._newest_s, self._newest_value = max(sample.at_s, self._newest_s), value
        return sample.concurrency > 0 and self._state.replicas == 0 and not sample.replay

    def _without_wakes(self, at_s: float, value: float) -> float:
        """A wake was counted as one request in flight; the sample of its second holds that one again.
        Told by the times alone, so that a restarted control plane counts as the first one did."""
        counted = sum(at_s - 1.0 <= woke_s < at_s for woke_s in self._wakes)
        return max(0.0, value - counted)

    def _bridge(self, at_s: float) -> None:
        """Seconds that nobody could observe (a gateway was killed or stood still) count as the one
        before them. To the window they would be zeros; and a revision whose demand really ended is
        sampled on until its window has passed."""
        first, last = floor(self._newest_s) + 1, floor(at_s)
        if self._newest_s and last - first <= self.spec.stable_window_s:
            for second in range(first, last):
                self._windows.record(second, self._newest_value)

    def wake(self, at_s: float) -> bool:
        """A request found no replica: it counts as one in flight, unless the last second held it already
        (the gateway repeats itself while it waits). Returns whether to evaluate now."""
        if self._woken or (self._state.replicas or 0) > 0:
            return False
        self._woken = True
        if self._newest_value == 0 or at_s - self._newest_s > self.spec.stable_window_s:
            least_s = at_s - self.spec.stable_window_s - 1
            self._wakes = (*(woke_s for woke_s in self._wakes if woke_s > least_s), at_s)
            self._windows.record(at_s, 1.0)
        return True

    @property
    def last_sample_s(self) -> float:
        """The newest second seen; 0 for none."""
        return self._newest_s

    def is_silent(self, now_s: float) -> bool:
        """Whether an evaluation would find no data and decide nothing. Asking this costs a thousand
        Services at zero next to nothing; the evaluations were most of what an idle engine did."""
        return self._windows.averages(now_s, self.spec) is None

    # --- deciding

    def evaluate(self, now_s: float, *, ready: int) -> bool:
        """One evaluation. Returns whether a step is due: to act on it, or to save what changed (a
        renewed panic is remembered across restarts like everything else; spare capacity is not, but
        for its sign: it changes with every breath of the load and is worked out anew each time)."""
        self._decide(now_s, ready)
        return self._has_news()

    def _has_news(self) -> bool:
        was, self._acted = self._acted, self._state
        return matters(was, self._state) or replace(was, excess_burst=0) != replace(
            self._state, excess_burst=0
        )

    def was_alone(self, since_s: float | None) -> None:
        """The gateway says since when no control plane evaluated; None: it can't tell, so nothing is
        made up (a gateway that is new has no samples of before either)."""
        if since_s is None:
            self.behind = False
        self._evaluated_s = max(self._evaluated_s, since_s or 0.0)

    def take_missed(self, sample: Sample, *, ready: int) -> None:
        """After a restart: count a second that an earlier control plane may have missed, and make the
        evaluations up to it that nobody made. The count of ready replicas is today's: nobody scaled
        in the meantime."""
        self.make_up(sample.at_s, ready)
        news = sample.at_s > max(self._newest_s, self._evaluated_s)
        self.sample(sample)
        if news and sample.concurrency > 0 and self._state.replicas == 0:
            self._decide(sample.at_s, ready)

    def caught_up(self, now_s: float, *, ready: int) -> bool:
        """All that the gateway kept has been told: what comes from now on is news. Returns whether a
        step is due, as `evaluate`."""
        self.make_up(now_s, ready)
        self.behind = False
        return self._has_news()

    def make_up(self, until_s: float, ready: int) -> None:
        """Make the evaluations before that time that nobody made since the restore."""
        tick_s = next_tick(max(self._evaluated_s, until_s - MAKE_UP_S))
        while self.behind and tick_s < until_s:
            self._decide(tick_s, ready)
            tick_s += TICK_S

    def _decide(self, now_s: float, ready: int) -> None:
        averages = self._windows.averages(now_s, self.spec)
        stable, panic = averages if averages is not None else (None, None)
        seen = Observation(now_s=now_s, stable=stable, panic=panic, ready=ready)
        decision, self._state = decide(self.spec, self._state, seen)
        self._evaluated_s = now_s
        self._remember(seen, decision)

    def _remember(self, seen: Observation, decision: Decision) -> None:
        if decision.replicas is not None:
            self._seen, self._decided = seen, decision
            self.last_words = sentence(self.spec, seen, decision)

    def told(self, result: StepResult, *, ready: int, was: int | None) -> ScaleDecision:
        """The last decision and what the step made of it, for people. `was`: the count before.
        `time` is left to whoever keeps it."""
        seen, decided = self._seen, self._decided
        made = step_sentence(self.spec, result.rule, result.count)
        rule: str = result.rule
        if result.rule is Rule.DECISION and decided is not None:
            rule = decided.reason
        return ScaleDecision(
            time="",
            rule=rule,
            message=" ".join(part for part in (self.last_words, made) if part),
            ready=ready,
            replicas=was if result.scaled_to is None else result.scaled_to,
            was=was,
            wanted=self._state.replicas,
            metric=self.spec.metric,
            stable=seen.stable if seen else None,
            panic=seen.panic if seen else None,
        )

    def step(
        self, now_s: float, *, ready: int, replicas: int | None, gateway_answers: bool
    ) -> tuple[StepResult, KpaStatus]:
        """From the last decision to replicas and status. `gateway_answers`: requests for this
        revision reach a gateway that would hold them."""
        in_path = self._mode is Mode.PROXY or ready == 0
        network = Network(
            mode=self._mode,
            ready=ready > 0,
            private_service=f"{self._name}-private",
            public_service=self._name,
            proxy_for_s=now_s - self._proxy_since_s if in_path else 0.0,
            message="No healthy backends",
        )
        result, self._status = step(
            self.spec,
            self._status,
            StepInput(
                now_s=now_s,
                network=network,
                decided=self._state.replicas,
                excess_burst=self._state.excess_burst,
                ready_pods=ready,
                replicas=replicas,
                activator_answers=gateway_answers,
            ),
        )
        was_in_path = in_path
        self._mode = result.mode
        if (self._mode is Mode.PROXY or ready == 0) and not was_in_path:
            self._proxy_since_s = now_s
        return result, self._status

    @property
    def wants(self) -> int | None:
        """The last decision, before bounds; None before the first."""
        return self._state.replicas
