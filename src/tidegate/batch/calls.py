"""One request until it is served or has failed: tries, pauses, patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tidegate.batch.errors import ServiceAway
from tidegate.batch.pace import Pace
from tidegate.batch.shapes import Failure, Request
from tidegate.batch.verdict import Verdict, is_yield, judge, pause_s, words_of
from tidegate.kit.clock import Clock
from tidegate.kit.http_client import Headers, HttpAnswer, HttpClient, NoAnswer

PRIORITY: Final = "Tidegate-Priority"


@dataclass(slots=True)
class Weather:
    """What all calls of a run know of the service. Owned by the runner."""

    served_s: float  # when a row was served last; the run's beginning before that
    yields: int = 0
    trouble: str | None = None  # why nothing goes on; None: it does


@dataclass(slots=True)
class Caller:
    """Sends the requests of one run."""

    client: HttpClient
    clock: Clock
    pace: Pace
    weather: Weather
    headers: Headers
    prefix: str  # what stands before each request's path
    retries: int
    timeout_s: float
    patience_s: float
    on_change: Callable[[], None] = field(default=lambda: None)

    async def call(self, request: Request) -> HttpAnswer | Failure:
        """The service's answer, or why there is none. Raises `ServiceAway`."""
        began_s, tries, waits = self.clock.monotonic(), 0, 0
        while True:
            answer, verdict, why = await self._try(request)
            now_s = self.clock.monotonic()
            if verdict is Verdict.DONE:
                assert answer is not None
                self.weather.served_s, self.weather.trouble = now_s, None
                self.pace.answered(now_s)
                return answer
            if verdict is Verdict.FAILED or (verdict is Verdict.AGAIN and tries >= self.retries):
                return _failure(answer, why, tries + 1)
            if verdict is Verdict.AGAIN:
                tries += 1
            else:
                self.pace.refused(now_s)
                self.on_change()
                if answer is not None and is_yield(answer.status, answer.headers):
                    # The service lives, and others go first.
                    began_s = self.weather.served_s = now_s
                    waits = 0
                silent_s = now_s - self.weather.served_s
                if silent_s >= self.patience_s:
                    raise ServiceAway(f"no row was served for {self.patience_s:g} s: {why}")
                if now_s - began_s >= self.patience_s and silent_s < self.patience_s / 2:
                    return _failure(
                        answer, why, waits + tries + 1
                    )  # others are served: it's the row
                waits += 1
                if answer is None or not is_yield(answer.status, answer.headers):
                    self.weather.trouble = why
            retry_after = answer.headers.get("retry-after") if answer is not None else None
            await self.clock.sleep(pause_s(tries or waits, retry_after=retry_after))

    async def _try(self, request: Request) -> tuple[HttpAnswer | None, Verdict, str]:
        try:
            answer = await self.client.send(
                "POST",
                self.prefix + request.path,
                self.headers,
                request.body,
                timeout_s=self.timeout_s,
            )
        except NoAnswer as why:
            return None, Verdict.LATER if why.refused else Verdict.AGAIN, str(why)
        except ValueError as why:
            return None, Verdict.FAILED, str(why)
        verdict = judge(answer.status, answer.headers)
        if is_yield(answer.status, answer.headers):
            self.weather.yields += 1
        return answer, verdict, words_of(answer.status, answer.headers, answer.body)


def _failure(answer: HttpAnswer | None, why: str, tries: int) -> Failure:
    times = "" if tries == 1 else f" ({tries} tries)"
    if answer is None:
        return Failure(f"{why}{times}", code="no_answer")
    return Failure(f"answered {why}{times}", answer.status, answer.body, code="answered_error")
