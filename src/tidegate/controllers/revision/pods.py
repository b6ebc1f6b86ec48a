"""What a revision's pods run: its own pod spec with Knative's environment, port and probes.

Source: knative/serving pkg/reconciler/revision/resources/{deploy,queue}.go (there a queue-proxy
beside the container does part of this; here the gateway and the node agent do).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.controllers.revision.probes import at_user_port, readiness
from tidegate.model import serving_names as names
from tidegate.model.containers import Container, ContainerPort, EnvVar
from tidegate.model.pods import PodSpec
from tidegate.model.serving import Revision


def pod_spec(revision: Revision) -> PodSpec:
    """The pods of a revision: its own pod spec with Knative's environment, port and probes."""
    spec = revision.spec
    common = {
        name: getattr(spec, name)
        for name in PodSpec.__struct_fields__
        if name not in ("containers", "init_containers")
    }
    serving = serving_container(spec.containers)
    containers = tuple(
        _container(c, revision, serving=index == serving) for index, c in enumerate(spec.containers)
    )
    containers = _with_agent(containers, revision)
    init = tuple(_with_env(_telling(c), _identity(revision)) for c in spec.init_containers)
    base = PodSpec(**{**common, "containers": containers, "init_containers": init})
    return msgspec.structs.replace(
        base,
        termination_grace_period_seconds=spec.timeout_seconds or 300,
        restart_policy="Always",
    )


def serving_container(containers: Sequence[Container]) -> int:
    """The index of the container that owns the port: the one that says so, else the only one."""
    return next((i for i, c in enumerate(containers) if c.ports), 0)


def _with_agent(containers: tuple[Container, ...], revision: Revision) -> tuple[Container, ...]:
    """KServe's agent takes the requests where its annotation asks for it (there a webhook for pods puts it
    in); the model keeps its port and its probes."""
    try:
        agent = msgspec.json.decode(
            revision.metadata.annotations.get(names.IN_FRONT, "null"), type=Container | None
        )
    except msgspec.DecodeError:
        return containers  # nobody of ours wrote it
    if agent is None or not agent.ports:
        return containers
    port = msgspec.structs.replace(agent.ports[0], name=names.USER_PORT)
    own = tuple(
        msgspec.structs.replace(
            c, ports=tuple(msgspec.structs.replace(port, name=None) for port in c.ports)
        )
        for c in containers
    )
    return (*own, msgspec.structs.replace(agent, ports=(port,)))


def _identity(revision: Revision) -> tuple[EnvVar, ...]:
    labels = revision.metadata.labels
    return (
        EnvVar(name="K_REVISION", value=revision.metadata.name),
        EnvVar(name="K_CONFIGURATION", value=labels.get(names.CONFIGURATION, "")),
        EnvVar(name="K_SERVICE", value=labels.get(names.SERVICE, "")),
    )


def _with_env(container: Container, more: tuple[EnvVar, ...]) -> Container:
    return msgspec.structs.replace(container, env=(*container.env, *more))


def _telling(container: Container) -> Container:
    """The end of the log says more than nothing when it fails and wrote no message file."""
    policy = container.termination_message_policy or "FallbackToLogsOnError"
    return msgspec.structs.replace(container, termination_message_policy=policy)


def _container(container: Container, revision: Revision, *, serving: bool) -> Container:
    container = _telling(container)
    if not serving:
        return _with_env(container, _identity(revision))
    given = container.ports[0] if container.ports else None
    number = (given.container_port if given else 0) or names.DEFAULT_PORT
    port = ContainerPort(container_port=number, name=names.USER_PORT, protocol="TCP")
    with_env = _with_env(container, (EnvVar(name="PORT", value=str(number)), *_identity(revision)))
    return msgspec.structs.replace(
        with_env,
        ports=(port,),
        readiness_probe=readiness(container.readiness_probe, number),
        liveness_probe=at_user_port(container.liveness_probe, number),
        startup_probe=at_user_port(container.startup_probe, number),
    )
