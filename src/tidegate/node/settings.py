"""What a node can be told. Each default says why."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.policy.gpu_cards import Card


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Raises ValueError for a port range that is empty or reaches into privileged ports."""

    name: str | None = None  # of the Node object; None: the host's name in lower case
    port_low: int = 20_000  # above what servers usually declare
    port_high: int = 32_000  # below Linux' ephemeral range (32768), where clients' ports come from
    simulated_gpus: tuple[Card, ...] = ()  # beside nothing else: real cards are then not looked for
    max_pods: int = 110  # the kubelet's default
    elsewhere_after_s: float = 3.0  # listening on another port this long gives an event
    nowhere_after_s: float = 10.0  # listening on no port for so long gives an event
    routed_grace_s: float = (
        30.0  # most between SIGTERM and SIGKILL of a pod that is drained already
    )
    gateway: str | None = None  # its host:port, which stands for the names of Services
    log_bytes: int = 10 * 2**20  # the kubelet's containerLogMaxSize

    def __post_init__(self) -> None:
        if not 1024 <= self.port_low < self.port_high <= 65_536:
            raise ValueError(
                f"port range {self.port_low}..{self.port_high}: give 1024 <= low < high <= 65536"
            )
