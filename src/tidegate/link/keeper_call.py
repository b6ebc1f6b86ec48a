"""Asking the keeper from code that may wait: the CLI, tests, the starting of an engine.

A connection per question. The node agent has an asyncio client of its own.
"""

from __future__ import annotations

import errno
from pathlib import Path

from tidegate.kit.home import Home
from tidegate.link.frames import Lines, NotAnObject, decode_line, encode_line
from tidegate.link.unix import connect_unix

TYPE_CHECKING = False  # the keeper does without `typing`, half a megabyte
if TYPE_CHECKING:
    from typing import Any


class KeeperCallFailed(Exception):
    """The keeper of a home did not do what was asked."""


class NoEngine(KeeperCallFailed):
    """Nobody listens: no engine runs for this home (or its keeper died a moment ago)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__(f"no engine runs for {root}: start it with `tidegate up`")


class NoAnswer(KeeperCallFailed):
    """The keeper took the connection and said nothing in time, or hung up."""

    def __init__(self, root: Path, op: str, why: str) -> None:
        self.root, self.op = root, op
        super().__init__(
            f"the keeper of {root} did not answer {op!r} ({why}): look at {root}/logs/keeper.log"
        )


class Refused(KeeperCallFailed):
    """The keeper answered with an error. `errno` is a number, or None when there is none."""

    def __init__(self, op: str, error: str, number: int | None) -> None:
        self.op, self.errno = op, number
        super().__init__(error)


class KeeperCall:
    """Questions to the keeper of one home."""

    def __init__(self, home: Home, *, timeout_s: float = 10.0) -> None:
        self._home, self._timeout_s = home, timeout_s

    def ask(self, op: str, *, timeout_s: float | None = None, **fields: object) -> dict[str, Any]:
        """The answer to one request (`link.keeper` lists them), without `id` and `ok`.

        `timeout_s` None: the one given when made. Raises `NoEngine`, `NoAnswer`, `Refused`.
        """
        root = self._home.root
        patience_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            connection = connect_unix(self._home.keeper_socket, timeout_s=patience_s)
        except TimeoutError as why:
            raise NoAnswer(root, op, f"no connection within {patience_s:g} s") from why
        except OSError as why:
            if why.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
                raise NoEngine(root) from why
            raise NoAnswer(root, op, str(why)) from why
        with connection:
            try:
                connection.sendall(encode_line({"op": op, "id": 1, **fields}))
                lines = Lines(64 * 2**20)
                while not (whole := lines.feed(data := connection.recv(2**16))):
                    if not data:
                        raise NoAnswer(root, op, "it closed the connection")
                answer = decode_line(whole[0])
            except TimeoutError as why:
                raise NoAnswer(root, op, f"nothing within {patience_s:g} s") from why
            except (OSError, NotAnObject) as why:
                raise NoAnswer(root, op, str(why)) from why
        return _unwrap(op, answer)


def _unwrap(op: str, answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise Refused(op, str(answer["error"]), answer.get("errno"))
    return {key: value for key, value in answer.items() if key not in ("id", "ok")}
