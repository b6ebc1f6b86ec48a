"""What can stand in the way of running a pod here.

NodeError
  ├── ConfigMissing      a ConfigMap, Secret or key that the container names: waits until it appears
  ├── NotSupported       a field of the container that can't be honoured here: the user must change it
  ├── VolumeNotReady     a volume can't be made yet: waits, looks again
  ├── ImageMissing       it is not pulled yet, or can't be: tried again with back-off
  ├── ImageNotRunnable   this machine has no runtime for the image: the user must change something
  ├── CommandNotFound    the program does not exist here: tried again with back-off, as on a cluster
  ├── ContainerNotStarted  podman or docker could not: tried again with back-off
  ├── NoFreePort         the whole port range is taken
  └── KeeperRefused      the keeper said no; `errno` is exec's, or None
"""

from __future__ import annotations


class NodeError(Exception):
    """Base of this room. `reason` is what the container's waiting state or the event says."""

    reason = "Error"


class ConfigMissing(NodeError):
    """The container's environment names something that is not there."""

    reason = "CreateContainerConfigError"


class NotSupported(NodeError):
    """A field that would change what the container does, and that this machine can't honour."""

    reason = "CreateContainerConfigError"


class VolumeNotReady(NodeError):
    """A volume of the pod can't be made; the message names volume and what is missing."""

    reason = "FailedMount"

    def __init__(self, volume: str, why: str) -> None:
        self.volume, self.why = volume, why
        super().__init__(f'MountVolume.SetUp failed for volume "{volume}": {why}')


class ImageNotRunnable(NodeError):
    """No line of the image table fits."""

    reason = "ImageNotRunnable"

    def __init__(self, image: str, why: str, *, known: str, needs: str = "") -> None:
        """`needs`: why no container can be had for it; empty: nobody has looked."""
        self.image, self.why, self.known = image, why, known
        lacks = f" (there is none that works: {needs})" if needs else ""
        named = f" ({known})" if known else ""
        super().__init__(
            f'image "{image}" can\'t run on this machine: {why}. Three ways out: name a runtime this '
            f"machine has{named}, or make one of it in ConfigMap tidegate-system/config-images; name "
            "a folder or `python` as the image and say what to start in `command`; or run it in a "
            f"container, which needs podman or docker{lacks}"
        )


class ImageMissing(NodeError):
    """The image of a container isn't here. `reason` and `message` are the kubelet's; `again_s` None:
    only a change helps. `events`: sentences, and whether each tells of a failure."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        again_s: float | None,
        events: tuple[tuple[str, bool], ...] = (),
        backs_off: bool = False,
    ) -> None:
        self.reason, self.again_s, self.events, self.backs_off = reason, again_s, events, backs_off
        super().__init__(message)


class CommandNotFound(NodeError):
    """`argv[0]` is no program on the pod's PATH."""

    reason = "RunContainerError"

    def __init__(self, container: str, program: str, path: str) -> None:
        self.container, self.program = container, program
        super().__init__(
            f'failed to start container "{container}": exec: "{program}": executable file not found '
            f"in $PATH ({path}): install it, or name its full path in `command`"
        )


class ContainerNotStarted(NodeError):
    """podman or docker could not start it; `why` is what they say."""

    reason = "RunContainerError"

    def __init__(self, container: str, why: str) -> None:
        self.container, self.why = container, why
        super().__init__(f'failed to start container "{container}": {why}')


class NoFreePort(NodeError):
    """Every local port of the range is taken."""

    reason = "NoFreePort"

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        super().__init__(
            f"no free local port between {low} and {high}: stop what holds them, or give the node a "
            "wider range"
        )


class KeeperRefused(NodeError):
    """The keeper answered with an error; `number` is the errno of a failed exec, else None."""

    reason = "RunContainerError"

    def __init__(self, op: str, name: str, why: str, number: int | None) -> None:
        self.op, self.name, self.why, self.number = op, name, why, number
        super().__init__(f"keeper would not {op} {name}: {why}")
