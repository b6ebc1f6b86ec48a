"""What is seen each second, as lines of text; on a terminal drawn anew in place."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

HEAD = "   time    sent handled     lag  pods"
_EIGHTHS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Sample:
    """`pods`: of the service, ready ones. `lag`: events that the group has not committed yet."""

    at_s: float
    sent: int
    handled: int
    lag: int
    pods: int

    @property
    def line(self) -> str:
        numbers = f"{self.at_s:6.0f}s {self.sent:7} {self.handled:7} {self.lag:7} {self.pods:5}"
        return f"{numbers}  {'#' * self.pods}"


@dataclass
class Picture:
    """All samples. A context manager: the drawing ends with it."""

    samples: list[Sample] = field(default_factory=list)
    _live: Live | None = None

    def __enter__(self) -> Picture:
        if sys.stdout.isatty():
            self._live = Live(console=Console(), refresh_per_second=2)
            self._live.__enter__()
        else:
            print(HEAD, flush=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, value, trace)

    def add(self, sample: Sample) -> None:
        self.samples.append(sample)
        if self._live is None:
            print(sample.line, flush=True)
        else:
            self._live.update(self._drawn())

    @property
    def most_pods(self) -> int:
        return max((sample.pods for sample in self.samples), default=0)

    def _drawn(self) -> Group:
        last, shown = self.samples[-1], self.samples[-100:]
        lines = [
            self._curve("pods", [s.pods for s in shown]),
            self._curve("lag ", [s.lag for s in shown]),
        ]
        numbers = Text(f"{HEAD}\n{last.line.partition('#')[0]}")
        return Group(*lines, numbers)

    def _curve(self, name: str, values: list[int]) -> Text:
        most = max(*values, 1)
        bars = "".join(_EIGHTHS[round(value / most * (len(_EIGHTHS) - 1))] for value in values)
        return Text(f"{name} {bars} {values[-1]} (most {most})")


def summary(rows: list[tuple[str, str]]) -> None:
    """The table at the end."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows:
        table.add_row(name, value)
    Console().print(table)
