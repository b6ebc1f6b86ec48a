"""The keeper's one thread: wait for descriptors and times, call back, go on.

A callback that raises is reported and the loop goes on: nothing that one pod does may end the others.
"""

import heapq
import selectors
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
OnReady = Callable[[int], None]
Report = Callable[[str], None]


@dataclass(slots=True, order=True)
class Timer:
    """A call to come. `cancel` may be called at any time, also after it ran."""

    due_s: float
    order: int
    call: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        self.call = None


class Loop:
    """Owned by the keeper's only thread. `monotonic` is seconds; `report` gets what went wrong."""

    def __init__(self, monotonic: Callable[[], float], report: Report) -> None:
        self.monotonic, self.report = monotonic, report
        self._selector = selectors.DefaultSelector()
        self._timers: list[Timer] = []
        self._made = 0
        self._stopped = False

    def watch(self, fd: int, on_ready: OnReady, events: int = READ) -> None:
        """Call `on_ready(events)` whenever `fd` is ready for one of `events`."""
        self._selector.register(fd, events, on_ready)

    def watch_also(self, fd: int, events: int) -> None:
        """Change the events that a watched `fd` is watched for."""
        key = self._selector.get_key(fd)
        if key.events != events:
            self._selector.modify(fd, events, key.data)

    def unwatch(self, fd: int) -> None:
        """Before closing `fd`. Not watched: nothing happens."""
        try:
            self._selector.unregister(fd)
        except KeyError:
            pass

    def after(self, after_s: float, call: Callable[[], None]) -> Timer:
        self._made += 1
        timer = Timer(self.monotonic() + after_s, self._made, call)
        heapq.heappush(self._timers, timer)
        return timer

    def stop(self) -> None:
        """`run` returns once the callback that is running has ended."""
        self._stopped = True

    def run(self) -> None:
        while not self._stopped:
            self.turn(None)

    def turn(self, most_s: float | None) -> None:
        """Wait for something (at most `most_s`; None: as long as it takes) and handle what is there."""
        for key, events in self._selector.select(self._patience_s(most_s)):
            # An earlier callback may have unwatched it, or closed it and watched its number anew.
            if self._selector.get_map().get(key.fd) is key:
                self._guarded(lambda key=key, events=events: key.data(events))  # type: ignore[misc]
        now_s = self.monotonic()
        while self._timers and self._timers[0].due_s <= now_s:
            call = heapq.heappop(self._timers).call
            if call is not None:
                self._guarded(call)

    def close(self) -> None:
        self._selector.close()

    def _patience_s(self, most_s: float | None) -> float | None:
        while self._timers and self._timers[0].call is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return most_s
        due_s = max(0.0, self._timers[0].due_s - self.monotonic())
        return due_s if most_s is None else min(due_s, most_s)

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - the loop's edge: report it and serve the others
            self.report(f"a mistake of ours, please report it:\n{traceback.format_exc()}")
