"""Ending the engine in order: control plane, pods, gateway.

The control plane first, or it would start what we stop. The gateway last, so that requests which pods
are finishing get their answers out.
"""

from collections.abc import Callable
from signal import SIGCONT, SIGTERM

from tidegate.keeper.errors import HasEnded, KeeperError
from tidegate.keeper.loop import Loop
from tidegate.keeper.parts import CONTROL_PLANE, GATEWAY, Parts
from tidegate.keeper.pods import Pods
from tidegate.keeper.sweep import PATIENCE_S

GRACE_S = 5.0  # from SIGTERM to SIGKILL, for each of the three


class Shutdown:
    """Owned by the loop. `then` is called once, when all is gone."""

    def __init__(self, loop: Loop, pods: Pods, parts: Parts, then: Callable[[], None]) -> None:
        self._loop, self._pods, self._parts, self._then = loop, pods, parts, then
        self._stopping_pods = False

    def begin(self) -> None:
        self._parts.stop(CONTROL_PLANE, grace_s=GRACE_S, then=self._stop_pods)

    def look(self) -> None:
        """A pod has ended."""
        if self._stopping_pods and not self._pods.running:
            self._stop_gateway()

    def _stop_pods(self) -> None:
        self._stopping_pods = True
        self._pods.expect_no_more()
        for name in self._pods.running:
            try:
                self._pods.signal(name, SIGTERM)
                self._pods.signal(name, SIGCONT)  # one at rest may be frozen
            except (HasEnded, PermissionError):  # its end is on its way to us; or not ours to ask
                pass
        self._loop.after(GRACE_S, self._kill_pods)
        self._loop.after(GRACE_S + PATIENCE_S + 1.0, self._give_up)
        self.look()

    def _kill_pods(self) -> None:
        for name in self._pods.running:
            self._pods.kill_tree(name, self._killed)

    def _killed(self, result: list[int] | KeeperError) -> None:
        """What is left was reported by its leader; who ended comes through `look`."""

    def _give_up(self) -> None:
        if self._stopping_pods:
            self._loop.report(f"left behind, they don't die: {self._pods.running}")
            self._stop_gateway()

    def _stop_gateway(self) -> None:
        self._stopping_pods = False
        self._parts.stop(GATEWAY, grace_s=GRACE_S, then=self._then)
