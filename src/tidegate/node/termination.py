"""The message that a container leaves at its end: a file it wrote, or the end of its log.

Documents name the file by a path inside the container (`/dev/termination-log`). Here each container
has one in the pod's folder; that path in its command and environment is rewritten to it, and
`TERMINATION_LOG` names it for scripts.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tidegate.link.keeper import Process
from tidegate.model.containers import Container
from tidegate.node.log_lines import last_words

VARIABLE = "TERMINATION_LOG"
_MOST_BYTES = 4096  # the kubelet's limit


def message_file(folder: Path, container: str) -> Path:
    """`folder` is the pod's."""
    return folder / "termination" / container


def fresh_message_file(folder: Path, container: str) -> None:
    """Empty, for a new run. A disk that is full takes the message, not the run."""
    path = message_file(folder, container)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(b"")


def termination_message(
    container: Container, process: Process, folder: Path, log: Path
) -> str | None:
    """What the ended run said; None: nothing.

    The file always counts; the log only with the policy FallbackToLogsOnError, when the file is
    empty and the run failed.
    """
    with suppress(OSError), message_file(folder, container.name).open("rb") as file:
        said = file.read(_MOST_BYTES)
        if said:
            return said.decode(errors="replace")
    falls_back = container.termination_message_policy == "FallbackToLogsOnError"
    return last_words(log) if falls_back and process.code not in (0, None) else None
