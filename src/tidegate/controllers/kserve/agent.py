"""KServe's agent as a container beside the model: batching and logging. Pure.

Source: kserve pkg/webhook/admission/pod/agent_injector.go.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from tidegate.model import kserve_names as names
from tidegate.model.containers import (
    Container,
    ContainerPort,
    Probe,
    TCPSocketAction,
)
from tidegate.model.kserve import Component, InferenceService


def agent_container(
    isvc: InferenceService, name: str, component: Component, port: ContainerPort
) -> Container:
    """The agent in front of the component's port."""
    args = [f"--component-port={port.container_port}", f"--port={names.AGENT_PORT}"]
    batcher, logger = component.batcher, component.logger
    if batcher is not None:
        args.append("--enable-batcher")
        if batcher.max_batch_size is not None:
            args.append(f"--max-batchsize={batcher.max_batch_size}")
        if batcher.max_latency is not None:
            args.append(f"--max-latency={batcher.max_latency}")
    if logger is not None:
        args += [
            f"--log-url={logger.url}",
            f"--log-mode={logger.mode or 'all'}",
            f"--inference-service={isvc.metadata.name}",
            f"--namespace={isvc.metadata.namespace}",
            f"--component={name}",
        ]
        if logger.metadata_headers:
            args.append(f"--metadata-headers={','.join(logger.metadata_headers)}")
    return Container(
        name=names.AGENT,
        image=names.AGENT_IMAGE,
        args=tuple(args),
        ports=(ContainerPort(container_port=names.AGENT_PORT, name="agent-port", protocol="TCP"),),
        readiness_probe=Probe(tcp_socket=TCPSocketAction(port=names.AGENT_PORT), period_seconds=10),
    )


def in_cluster(url: str, namespace: str, is_namespace: Callable[[str], bool]) -> str:
    """`http://dumper.default/` as `http://dumper.default.svc.cluster.local/`: a cluster's DNS completes
    such names, `http://dumper/` within the own namespace; none here does."""
    parts = urlsplit(url)
    name, _, rest = (parts.hostname or "").partition(".")
    space = rest or namespace
    if not name or name == "localhost" or name.isdigit() or not is_namespace(space):
        return url
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"{name}.{space}.svc.cluster.local{port}").geturl()


def is_agent(container: Container) -> bool:
    """Whether it is the one made above, in a component that has one."""
    return (container.name, container.image) == (names.AGENT, names.AGENT_IMAGE)
