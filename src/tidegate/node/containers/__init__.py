"""Container pods: what no program of this machine stands for runs in podman or docker.

The keeper's process of such a container is `podman run` in the foreground (`launch`): its exit code,
output and signals are the container's, and the container's own processes carry the pod's mark, so the
rest of the node treats both kinds alike. See docs/decisions/0021.
"""

from __future__ import annotations

from tidegate.node.containers.contract import Containers, NoContainers
from tidegate.node.containers.runtime import ContainerRuntime

__all__ = ["ContainerRuntime", "Containers", "NoContainers"]
