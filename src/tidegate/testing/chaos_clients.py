"""Clients for chaos: who asks what when, and which failures a kill explains.

A failure is explained by the death of the gateway that had the connection, or of a pod of the service
while the request was under way. Nothing else may fail a request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

_TIMEOUT_S = 60.0  # a request held at zero while everything is killed around it
_LATE_S = 0.05  # a kill is noted a moment before the kernel does it


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill -9. `part` is keeper, gateway, control_plane or pod; `service` is the pod's."""

    at_s: float
    part: str
    pid: int
    service: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a whole answer of 200. Monotonic seconds."""

    service: str
    connected_s: float
    sent_s: float
    ended_s: float
    what: str


def unexplained(failures: Iterable[Failure], kills: Sequence[Kill]) -> list[Failure]:
    """Those that no kill accounts for."""
    return [failure for failure in failures if not any(_explains(kill, failure) for kill in kills)]


def _explains(kill: Kill, failure: Failure) -> bool:
    if kill.part == "gateway":
        since_s = failure.connected_s
    elif kill.part == "pod" and kill.service == failure.service:
        since_s = failure.sent_s
    else:
        return False
    return since_s <= kill.at_s + _LATE_S and kill.at_s <= failure.ended_s


@dataclass(frozen=True, slots=True)
class Habit:
    """How a service is asked: for `on_s` out of every `every_s`, by so many clients at a time."""

    service: str
    clients: int
    on_s: float = 1.0
    every_s: float = 1.0
    think_s: float = 0.02
    path: str = "/"
    body: bytes | None = None  # always posted; None: now and then `hello`, which comes back
    answer: bytes | None = None  # to `body`


@dataclass
class Clients:
    """Threads that ask until the block ends. Every other one opens a connection per request, every
    third one posts."""

    address: tuple[str, int]
    habits: Sequence[Habit]
    ok: int = 0
    slowest_s: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # of the three above
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Clients:
        began_s = time.monotonic()
        for habit in self.habits:
            for number in range(habit.clients):
                args = (habit, number, began_s)
                thread = threading.Thread(target=self._live, args=args, daemon=True)
                thread.start()
                self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Finish what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S + 5)

    def _live(self, habit: Habit, number: int, began_s: float) -> None:
        line = _Line(self.address, habit, keep=number % 2 == 0, posts=number % 3 == 2)
        while not self._stop.is_set():
            into_s = (time.monotonic() - began_s) % habit.every_s
            if into_s < habit.on_s:
                self._note(line.ask())
                self._stop.wait(habit.think_s)
            else:
                line.hang_up()
                self._stop.wait(habit.every_s - into_s)
        line.hang_up()

    def _note(self, result: float | Failure) -> None:
        with self._lock:
            if isinstance(result, Failure):
                self.failures.append(result)
            else:
                self.ok += 1
                self.slowest_s = max(self.slowest_s, result)


class _Line:
    """One client's connection, opened when it is needed."""

    def __init__(self, address: tuple[str, int], habit: Habit, *, keep: bool, posts: bool) -> None:
        self._habit, self._keep, self._posts = habit, keep, posts or habit.body is not None
        self._connection = HTTPConnection(*address, timeout=_TIMEOUT_S)
        self._connected_s = 0.0

    def ask(self) -> float | Failure:
        """How long the answer took, or what went wrong."""
        connection, habit = self._connection, self._habit
        sends = habit.body or b"hello"
        sent_s = time.monotonic()
        if connection.sock is None:
            self._connected_s = sent_s
        try:
            connection.request(
                "POST" if self._posts else "GET",
                habit.path,
                body=sends if self._posts else None,
                headers={"Host": f"{habit.service}.default.localhost"},
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as why:
            self.hang_up()
            return self._failed(sent_s, f"{type(why).__name__}: {why}")
        if not self._keep or answer.getheader("connection") == "close":
            self.hang_up()
        if answer.status != 200:
            return self._failed(sent_s, f"{answer.status} {body[:200]!r}")
        if self._posts and body != (habit.answer or sends):
            return self._failed(sent_s, f"200 with {body[:50]!r}")
        return time.monotonic() - sent_s

    def hang_up(self) -> None:
        self._connection.close()

    def _failed(self, sent_s: float, what: str) -> Failure:
        return Failure(self._habit.service, self._connected_s, sent_s, time.monotonic(), what)
