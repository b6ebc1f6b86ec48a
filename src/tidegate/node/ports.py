"""Free local ports for declared container ports.

A port is held from the moment a pod gets it until the pod is gone; what else on this machine may
take it meanwhile is found out before the pod gets traffic (`listeners`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from tidegate.model.containers import Container
from tidegate.model.pods import LocalPort, Pod
from tidegate.node.errors import NoFreePort

DEFAULT_PORT = 8080  # Knative's and KServe's, where nothing is declared


@dataclass(frozen=True, slots=True)
class DeclaredPort:
    """A TCP port that a container of the pod is written to listen on. `implied`: by nobody but us."""

    container: str
    number: int
    name: str | None = None
    implied: bool = False


def declared_ports(pod: Pod) -> tuple[DeclaredPort, ...]:
    """The TCP ports of the pod's containers in their order; 8080 of the first when none has any.
    Those of its sidecars come last."""
    sidecars = tuple(c for c in pod.spec.init_containers if c.restart_policy == "Always")
    own, beside = _tcp_ports(pod.spec.containers), _tcp_ports(sidecars)
    if own or any(c.ports for c in pod.spec.containers) or not pod.spec.containers:
        return own + beside
    implied = DeclaredPort(pod.spec.containers[0].name, DEFAULT_PORT, implied=True)
    return (implied, *beside)


def _tcp_ports(containers: Iterable[Container]) -> tuple[DeclaredPort, ...]:
    return tuple(
        DeclaredPort(container.name, port.container_port, port.name)
        for container in containers
        for port in container.ports
        if (port.protocol or "TCP") == "TCP"
    )


def ports_of(ports: Collection[LocalPort], container: Container) -> tuple[LocalPort, ...]:
    """Those of one container, in the order it declares them."""
    return tuple(port for port in ports if port.container == container.name)


@dataclass(slots=True)
class PortRange:
    """Who holds which local port. Owned by the node agent's loop; nothing here waits.

    Starts looking at a place that depends on `seed`, so that two engines on one machine rarely meet.
    """

    low: int
    high: int
    is_free: Callable[[int], bool]
    seed: str = ""
    _held: dict[int, str] = field(default_factory=dict)
    _next: int = -1

    def hold(self, number: int, holder: str) -> None:
        """Remember a port that was given out by an agent before this one."""
        self._held[number] = holder

    def take(self, holder: str, *, avoid: Collection[int] = ()) -> int:
        """A port that nobody holds and nothing listens on. Raises `NoFreePort`."""
        span = self.high - self.low
        if self._next < 0:
            self._next = zlib.crc32(self.seed.encode()) % span
        for step in range(span):
            number = self.low + (self._next + step) % span
            if number not in self._held and number not in avoid and self.is_free(number):
                self._next = (self._next + step + 1) % span
                self._held[number] = holder
                return number
        raise NoFreePort(self.low, self.high)

    def free(self, holder: str) -> None:
        """All ports of a holder that is gone."""
        for number in [n for n, who in self._held.items() if who == holder]:
            del self._held[number]

    def drop(self, number: int) -> None:
        """One port that a stranger turned out to have. It isn't free, so it won't be given out again."""
        self._held.pop(number, None)

    def held(self) -> dict[int, str]:
        """For tests and metrics: port -> holder."""
        return dict(self._held)


def give_ports(
    pod: Pod, had: Collection[LocalPort], numbers: PortRange, holder: str
) -> tuple[LocalPort, ...]:
    """A local port for each declared one; those of `had` are kept. Raises `NoFreePort`.

    No local port equals a declared one: rewriting an argument twice must change nothing.
    """
    known = {(port.container, port.container_port): port for port in had}
    declared = declared_ports(pod)
    avoid = {port.number for port in declared}
    out = []
    for port in declared:
        old = known.get((port.container, port.number))
        if old is not None:
            numbers.hold(old.local_port, holder)
            out.append(old)
        else:
            out.append(
                LocalPort(
                    container=port.container,
                    container_port=port.number,
                    local_port=numbers.take(holder, avoid=avoid),
                    name=port.name,
                )
            )
    return tuple(out)
