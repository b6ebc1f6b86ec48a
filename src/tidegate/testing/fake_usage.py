"""What pods use, as a test says it: the world's stand-in for looks at /proc."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model.pods import Pod
from tidegate.model.usage import Measurement, Usage


@dataclass(slots=True)
class FakeUsage:
    """`cpu_milli` and `memory_bytes` by the value of the label `app`: of all its running pods together,
    shared among them. A pod without an entry isn't measured."""

    api: Api
    clock: Clock
    cpu_milli: dict[str, int] = field(default_factory=dict)
    memory_bytes: dict[str, int] = field(default_factory=dict)
    window_s: float = 15.0

    async def measure(self) -> Measurement:
        running = [p for p in self.api.list(Pod) if p.status and p.status.phase == "Running"]
        found: dict[tuple[str, str], Usage] = {}
        for pod in running:
            app = pod.metadata.labels.get("app", "")
            if app not in self.cpu_milli and app not in self.memory_bytes:
                continue
            sharing = sum(other.metadata.labels.get("app") == app for other in running)
            used = Usage(
                self.cpu_milli.get(app, 0) * 1_000_000 // sharing,
                self.memory_bytes.get(app, 0) // sharing,
            )
            found[pod.metadata.uid or "", pod.spec.containers[0].name] = used
        return Measurement(self.clock.now(), self.window_s, "fake-node", Usage(0, 0), found)
