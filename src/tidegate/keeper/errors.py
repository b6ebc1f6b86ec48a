"""What the keeper refuses, in sentences.

KeeperError
  NotServing       it can't start: settings, ports, another engine
    AlreadyRuns    another keeper serves this home: all is well, exit 0
    PortTaken
    BadSettings
  Refusal          one request can't be done; the engine goes on
    NoSuchProcess
    HasEnded
    CannotRun      exec, a limit, the folder: the pod's own mistake
    StillThere     SIGKILL did not end it in time
    BadRequest
"""

import os

from tidegate.link.keeper import ZYGOTE_FAILED


class KeeperError(Exception):
    """`errno` is a number for errors that came from the system, else None."""

    errno: int | None = None


class NotServing(KeeperError):
    """The keeper can't start."""


class AlreadyRuns(NotServing):
    """Another keeper holds the lock and answers."""

    def __init__(self, root: str, pid: int) -> None:
        self.pid = pid
        super().__init__(f"an engine runs already for {root} (keeper pid {pid})")


class LockHeld(NotServing):
    """Another process holds the lock and does not answer."""

    def __init__(self, root: str, pid: int | None, after_s: float) -> None:
        super().__init__(
            f"another keeper{f' (pid {pid})' if pid else ''} holds {root}/run/lock and did not answer"
            f" for {after_s:g} s: end it{f' with kill {pid}' if pid else ''}, then start again"
        )


_PORT_OPTIONS = {"gateway": "--port", "api": "--api-port", "gateway-tls": "--https-port"}


class PortTaken(NotServing):
    """The address can't be listened on."""

    def __init__(self, name: str, host: str, port: int, number: int) -> None:
        self.errno = number
        option = _PORT_OPTIONS.get(name)
        choose = f", or choose another with {option} (0 picks a free one)" if option else ""
        super().__init__(
            f"port {port} on {host} for the {name} can't be had ({os.strerror(number)}):"
            f" stop what uses it{choose}"
        )


class BadSettings(NotServing):
    """The settings file is missing or wrong."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}: start the engine with `tidegate up`, which writes it")


class Refusal(KeeperError):
    """One request can't be done."""


class NoSuchProcess(Refusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"no process is named {name!r}: subscribe lists them")


class HasEnded(Refusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"process {name!r} has ended: forget it, or spawn under a new name")


class StillRuns(Refusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"process {name!r} still runs: end it with kill_tree first")


class CannotRun(Refusal):
    """`number` None: not an error of the system."""

    def __init__(self, sentence: str, number: int | None = None) -> None:
        self.errno = number
        super().__init__(sentence)


class ZygoteFailed(Refusal):
    """Nothing was started, and nothing will be."""

    def __init__(self, name: str, why: str) -> None:
        self.errno = ZYGOTE_FAILED
        super().__init__(f"zygote {name!r} {why}: spawn without it")


class StillThere(Refusal):
    def __init__(self, name: str, left: list[int], after_s: float) -> None:
        self.left = left
        super().__init__(
            f"{len(left)} processes of {name!r} outlived SIGKILL for {after_s:g} s: {left}"
            " (they wait in the kernel; kill_tree again later)"
        )


class SystemRefused(Refusal):
    def __init__(self, sentence: str, number: int | None) -> None:
        self.errno = number
        super().__init__(sentence)


class BadRequest(Refusal):
    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: link/keeper.py lists what may be asked")


class Stopping(Refusal):
    def __init__(self) -> None:
        super().__init__("the engine is shutting down: start it again with `tidegate up`")
