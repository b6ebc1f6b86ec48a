"""Which program of this machine stands for an image. Pure but for looking at folders and programs.

To add a runtime: one line in `image_table.RUNTIMES`, or, for one machine, an entry in ConfigMap
`config-images` (`policy.config_images`). A container's `command` replaces the image's own entry
point and its `args` what follows, as Kubernetes has it; `python` in `command` is this machine's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.node.errors import ImageNotRunnable
from tidegate.node.image_table import RUNTIMES, Python, Runtime
from tidegate.node.shell_words import script_of, simple_command


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, before expansion and rewriting. `folder` None: the pod's own working folder.

    `paths`: folders of the image and what they are here. `runtime`: the line of the table that it
    is by; None: by no line (a folder).
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    runtime: Runtime | None = None


@dataclass(frozen=True, slots=True)
class Here:
    """What is to be known of this machine: its interpreter, its folders and its programs."""

    python: str
    is_folder: Callable[[str], bool]
    has_program: Callable[[str], bool]


def program_of(
    image: str,
    command: tuple[str, ...],
    args: tuple[str, ...],
    here: Here,
    configured: Sequence[Runtime] = (),
) -> Program:
    """The program that a container of this image is here. `configured` lines come before the table's.

    Raises `ImageNotRunnable`."""
    if image.startswith("/"):
        return _from_folder(image, command, args, here)
    runtime = find_runtime(image, configured)
    if runtime is None:
        known = known_images(configured)
        raise ImageNotRunnable(image, "it is not in the table of runtimes", known=known)
    for folder in (runtime.folder, *runtime.paths.values()):
        if folder is not None and not here.is_folder(folder):
            why = f"its folder {folder} (ConfigMap config-images) does not exist"
            raise ImageNotRunnable(image, why, known=known_images(configured))
    argv = _argv(image, runtime, command, args, here)
    if not argv:
        argv = (Python,)  # what the image would start; it ends at once without a terminal
    argv = _with_python(argv, here.python)
    return Program(argv, runtime.env, runtime.folder, runtime.paths, runtime)


def without_shell(
    argv: tuple[str, ...], image: str, runtime: Runtime | None, here: Here
) -> tuple[str, ...] | None:
    """What `sh -c "one plain command"` comes to, with the table's spellings of programs; None when
    `argv` isn't that, or the command needs a shell, or is no program of this machine.

    Raises `ImageNotRunnable`."""
    script = script_of(argv)
    words = simple_command(script) if script is not None else None
    if words is None:
        return None
    if runtime is not None:
        spelled = _spelled(image, runtime, words, here)
        if spelled is not None:
            return _with_python(spelled, here.python)
    plain = _with_python(words, here.python)
    if "/" in plain[0] and not plain[0].startswith("/"):
        return None  # it depends on where the shell is
    return plain if here.has_program(plain[0]) else None


def left_out(argv: Sequence[str], runtime: Runtime | None) -> tuple[str, ...]:
    """What the stand-in that `argv` starts, if it does, doesn't do of what its image does."""
    if runtime is None or not runtime.entry or tuple(argv[1:3]) != runtime.entry[1:3]:
        return ()
    flags = [word.partition("=")[0].replace("_", "-") for word in argv]  # vLLM takes either
    said = [f"{flag} has no effect here" for flag in flags if flag in runtime.unheeded]
    return (*runtime.unserved, *dict.fromkeys(said))


def find_runtime(image: str, configured: Sequence[Runtime] = ()) -> Runtime | None:
    """The first line that suits an image, or None. A line may name the registry too."""
    path, tag = split_image(image)
    whole = image.partition("@")[0].removesuffix(f":{tag}")
    for runtime in (*configured, *RUNTIMES):
        suits = runtime.repository in (path, whole) or path.endswith("/" + runtime.repository)
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
        if r.offered
    )
    return ", ".join(dict.fromkeys(names))


def _from_folder(
    image: str, command: tuple[str, ...], args: tuple[str, ...], here: Here
) -> Program:
    if not here.is_folder(image):
        raise ImageNotRunnable(image, "there is no such folder", known=known_images())
    argv = (*command, *args)
    if not argv:
        raise ImageNotRunnable(
            image,
            "a folder has no entry point, so `command` must say what to start",
            known=known_images(),
        )
    return Program(_with_python(argv, here.python), folder=image)


def _argv(
    image: str, runtime: Runtime, command: tuple[str, ...], args: tuple[str, ...], here: Here
) -> tuple[str, ...]:
    if not command:
        return (*_entry(image, runtime, here), *runtime.defaults, *args)
    written = (*command, *args)
    return _spelled(image, runtime, written, here) or written


def _spelled(
    image: str, runtime: Runtime, written: tuple[str, ...], here: Here
) -> tuple[str, ...] | None:
    """The command line with the entry point in place of a spelling of it; None: it has none."""
    plain = (Python, *written[1:]) if _is_python(written[0]) else written
    for spelling in runtime.programs:
        if plain[: len(spelling)] == spelling:
            return (*_entry(image, runtime, here), *plain[len(spelling) :])
    return None


def _entry(image: str, runtime: Runtime, here: Here) -> tuple[str, ...]:
    if runtime.installed is None:
        return runtime.entry
    if here.has_program(runtime.installed):
        return runtime.real
    if not runtime.entry:
        why = f"{runtime.installed} is not installed, and nothing here stands in for it"
        raise ImageNotRunnable(image, why, known=known_images())
    return runtime.entry


def _with_python(argv: tuple[str, ...], python: str) -> tuple[str, ...]:
    return (python, *argv[1:]) if _is_python(argv[0]) else argv


def _is_python(program: str) -> bool:
    return re.fullmatch(r"(/usr/local/bin/|/usr/bin/)?python(3(\.\d+)?)?", program) is not None
