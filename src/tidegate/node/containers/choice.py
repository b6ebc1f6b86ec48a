"""Whether a container of a pod runs as a process of this machine or in a container.

The pod may say it (annotation `tidegate.dev/runtime`, or `runtimeClassName`: process or container);
else what the image table knows is a process, and everything else needs a container.
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.model.containers import Container
from tidegate.model.pods import Pod
from tidegate.node.containers.program import ContainerProgram, Unusable
from tidegate.node.errors import ImageNotRunnable, NotSupported
from tidegate.policy.pod_runtime import RUNTIME_NOTE, RunsAs, asked_runtime

#: Raises `ImageNotRunnable` for an image that no program of this machine stands for.
Stands = Callable[[], object]


def wants_container(
    pod: Pod, container: Container, stands: Stands
) -> ImageNotRunnable | str | None:
    """None: it is a process. Else why it needs a container: a sentence, or why no process can be it.

    Raises `NotSupported` for a folder that is asked to be a container."""
    asked, image = asked_runtime(pod), container.image or ""
    if asked is RunsAs.PROCESS:
        return None
    if asked is RunsAs.CONTAINER:
        if image.startswith("/"):
            raise NotSupported(
                f'image "{image}" of container {container.name} is a folder of this machine, which no '
                f"container has: leave {RUNTIME_NOTE} out, or name an image"
            )
        return f"{RUNTIME_NOTE}: container"
    try:
        stands()
    except ImageNotRunnable as why:
        return None if image.startswith("/") else why
    return None


def must_have(
    image: str, why: ImageNotRunnable | str, found: ContainerProgram | Unusable
) -> ContainerProgram:
    """The program. Raises `ImageNotRunnable` when there is none."""
    if isinstance(found, ContainerProgram):
        return found
    if isinstance(why, str):
        raise ImageNotRunnable(image, f"it needs a container ({why})", known="", needs=found.why)
    raise ImageNotRunnable(image, why.why, known=why.known, needs=found.why)
