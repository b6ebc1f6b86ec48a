"""Which program of this machine stands for an image. A table; pure but for the check of folders.

To add a runtime: one line in `RUNTIMES`, or, for one machine, an entry in ConfigMap `config-images`
(`policy.config_images`). A container's `command` replaces the image's own entry
point and its `args` what follows, as Kubernetes has it; `python` in `command` is this machine's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tidegate.node.errors import ImageNotRunnable

Python = "python"  # stands for this machine's interpreter in the table below


@dataclass(frozen=True, slots=True)
class Runtime:
    """One line of the table.

    `repository` is matched against the end of the image's path, whole components, whatever
    registry stands before it; `tag` against the start of the tag. `entry` is what the image's own
    entry point means here (empty: the image has none, so `command` or `args` say what to run).
    `programs` are spellings of the entry point that documents write into `command`; `folder` is where
    it runs (None: the pod's own folder).
    """

    repository: str
    entry: tuple[str, ...] = ()
    tag: str = ""
    programs: tuple[tuple[str, ...], ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    folder: str | None = None


_SKLEARN = (Python, "-m", "tidegate.runtimes.sklearnserver")
_AGENT = (Python, "-m", "tidegate.runtimes.agent")
_ONNX = (Python, "-m", "tidegate.runtimes.onnxserver")
_LLAMA = (Python, "-m", "tidegate.runtimes.llamaserver")
_LLAMA_PROGRAMS = (("/app/llama-server",), ("llama-server",), ("/llama-server",))

RUNTIMES: tuple[Runtime, ...] = (
    Runtime("kserve/sklearnserver", _SKLEARN, programs=((Python, "-m", "sklearnserver"),)),
    Runtime("tidegate/sklearnserver", _SKLEARN),
    Runtime("kserve/agent", _AGENT),
    Runtime("tidegate/onnxserver", _ONNX),
    Runtime("ggml-org/llama.cpp", _LLAMA, tag="server", programs=_LLAMA_PROGRAMS),
    Runtime("ggerganov/llama.cpp", _LLAMA, tag="server", programs=_LLAMA_PROGRAMS),
    Runtime("library/python"),
)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, before expansion and rewriting. `folder` None: the pod's own working folder."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    folder: str | None = None


def program_of(
    image: str,
    command: tuple[str, ...],
    args: tuple[str, ...],
    *,
    python: str,
    is_folder: Callable[[str], bool],
    configured: Sequence[Runtime] = (),
) -> Program:
    """The program that a container of this image is here. `configured` lines come before the table's.

    Raises `ImageNotRunnable`."""
    if image.startswith("/"):
        return _from_folder(image, command, args, python, is_folder)
    runtime = find_runtime(image, configured)
    if runtime is None:
        known = known_images(configured)
        raise ImageNotRunnable(image, "it is not in the table of runtimes", known=known)
    if runtime.folder is not None and not is_folder(runtime.folder):
        why = f"its folder {runtime.folder} (ConfigMap config-images) does not exist"
        raise ImageNotRunnable(image, why, known=known_images(configured))
    argv = _argv(runtime, command, args)
    if not argv:
        argv = (Python,)  # what the image would start; it ends at once without a terminal
    return Program(_with_python(argv, python), dict(runtime.env), runtime.folder)


def find_runtime(image: str, configured: Sequence[Runtime] = ()) -> Runtime | None:
    """The first line that suits an image, or None."""
    path, tag = split_image(image)
    for runtime in (*configured, *RUNTIMES):
        suits = path == runtime.repository or path.endswith("/" + runtime.repository)
        if suits and tag.startswith(runtime.tag):
            return runtime
    return None


def split_image(image: str) -> tuple[str, str]:
    """Path without registry, and tag: `docker.io/library/python:3.11@sha256:..` gives
    (`library/python`, `3.11`); a bare name is in `library/`, as on Docker Hub."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    path = f"{head}{slash}{last}"
    first, slash, rest = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        path = rest
    return (path if "/" in path else f"library/{path}"), tag or "latest"


def known_images(configured: Sequence[Runtime] = ()) -> str:
    """For people: the images of the table."""
    names = (
        r.repository.removeprefix("library/") + (f":{r.tag}*" if r.tag else "")
        for r in (*configured, *RUNTIMES)
    )
    return ", ".join(dict.fromkeys(names))


def _from_folder(
    image: str,
    command: tuple[str, ...],
    args: tuple[str, ...],
    python: str,
    is_folder: Callable[[str], bool],
) -> Program:
    if not is_folder(image):
        raise ImageNotRunnable(image, "there is no such folder", known=known_images())
    argv = (*command, *args)
    if not argv:
        raise ImageNotRunnable(
            image,
            "a folder has no entry point, so `command` must say what to start",
            known=known_images(),
        )
    return Program(_with_python(argv, python), folder=image)


def _argv(runtime: Runtime, command: tuple[str, ...], args: tuple[str, ...]) -> tuple[str, ...]:
    if not command:
        return (*runtime.entry, *args)
    plain = (Python, *command[1:]) if _is_python(command[0]) else command
    for spelling in runtime.programs:
        if plain[: len(spelling)] == spelling:
            return (*runtime.entry, *plain[len(spelling) :], *args)
    return (*command, *args)


def _with_python(argv: tuple[str, ...], python: str) -> tuple[str, ...]:
    return (python, *argv[1:]) if _is_python(argv[0]) else argv


def _is_python(program: str) -> bool:
    return re.fullmatch(r"(/usr/local/bin/|/usr/bin/)?python(3(\.\d+)?)?", program) is not None
