"""A pod's status, computed whole from what was seen. Pure.

Words and rules: kubelet pkg/kubelet/kubelet_pods.go (`getPhase`), status/generate.go (conditions).
Conditions that others wrote (the scheduler, the ingress) are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tidegate.link.keeper import Process
from tidegate.model import serving_names as names
from tidegate.model.conditions import find, merged, timestamp
from tidegate.model.meta import Condition
from tidegate.model.pods import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    LocalPod,
    Pod,
    PodIP,
    PodStatus,
)
from tidegate.node.launch import Launch
from tidegate.node.lifecycle import Phase
from tidegate.node.record import ContainerRecord, PodRecord
from tidegate.node.resting import RESTS, wished

LOOPBACK = "127.0.0.1"
PREFIX = "process://"
UNKNOWN_CODE = -1
_OURS = ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


def pod_status(was: PodStatus | None, record: PodRecord, *, now_s: float) -> PodStatus:
    """What the pod's status should say. `now_s` is wall time."""
    was = was or PodStatus()
    phase = pod_phase(record)
    mine = _conditions(record, phase, was.conditions)
    not_theirs = _OURS if _is_leaving(record.pod) else (*_OURS, names.DRAINED)
    others = tuple(c for c in was.conditions if c.type not in not_theirs)
    local = was.tidegate or LocalPod()
    failed = record.failure if phase == "Failed" else None
    return msgspec.structs.replace(
        was,
        phase=phase,
        reason=failed.reason if failed is not None else was.reason,
        message=failed.message if failed is not None else was.message,
        conditions=merged(was.conditions, (*mine, *others), now_s=now_s),
        host_ip=LOOPBACK,
        pod_ip=LOOPBACK,
        pod_ips=(PodIP(ip=LOOPBACK),),
        start_time=was.start_time or timestamp(now_s),
        init_container_statuses=tuple(map(container_status, record.inits)),
        container_statuses=tuple(map(container_status, record.containers)),
        observed_generation=record.pod.metadata.generation,
        tidegate=LocalPod(
            ports=record.ports,
            rewritten=_told(record, lambda c: c.rewritten),
            not_enforced=_told(record, lambda c: c.not_enforced),
            origin=_told(record, lambda c: (c.origin,) if c.origin else ()),
            trouble=_told(record, lambda c: (c.trouble,) if c.trouble else ()),
            stages={**record.stages, **local.stages},  # the first time counts,
        ),
    )


def _is_leaving(pod: Pod) -> bool:
    """Only of such a pod the gateway can have sent the last request; one that was woken gets new ones."""
    return pod.metadata.deletion_timestamp is not None or names.STANDBY in pod.metadata.labels


def pod_phase(record: PodRecord) -> str:
    """Pending, Running, Succeeded or Failed."""
    if record.failure is not None and _all_ended(record):
        return "Failed"
    for init in record.inits:
        if init.is_sidecar:
            if not (init.started or record.has_begun) and not _all_ended(record):
                return "Pending"
        elif init.phase is not Phase.ENDED:
            return "Pending"
        elif _failed(init):
            return "Failed"
    if any(c.phase is Phase.PENDING and c.terminated is None for c in record.containers):
        return "Pending"
    if any(c.phase is not Phase.ENDED for c in (*record.containers, *record.sidecars)):
        return "Running"
    if any(_failed(c) for c in record.containers):
        return "Failed"
    if record.stopping and any(c.terminated is None for c in record.containers):
        return "Pending"  # stopped before it ran
    return "Succeeded"


def container_status(record: ContainerRecord) -> ContainerStatus:
    """One line of the pod's containerStatuses."""
    last = record.before if record.phase is Phase.ENDED else record.terminated
    state = _state(record)
    return ContainerStatus(
        name=record.spec.name,
        state=state,
        last_state=ContainerState(terminated=last) if last and state.terminated != last else None,
        ready=record.ready,
        started=record.started,
        restart_count=record.restarts,
        image=record.image or record.spec.image,
        image_id=record.image_id,
        container_id=record.container_id,
    )


def run_id(name: str, launch: Launch) -> str:
    """A containerID: by what it runs, and the keeper's name for it."""
    return PREFIX + name if launch.inside is None else f"{launch.inside.program.kind}://{name}"


def termination(
    process: Process,
    *,
    started_at: str | None,
    now_s: float,
    message: str | None = None,
    container_id: str | None = None,
    out_of_memory: bool = False,
) -> ContainerStateTerminated:
    """How a process ended, in a container's words."""
    if process.signal is not None:
        code, reason = 128 + process.signal, "Error"
    elif process.code is None:
        code, reason = UNKNOWN_CODE, "Unknown"
        message = message or "nobody was there to see it end"
    else:
        code, reason = process.code, "Error" if process.code else "Completed"
    if out_of_memory and code:
        reason = "OOMKilled"
    return ContainerStateTerminated(
        exit_code=code,
        signal=process.signal,
        reason=reason,
        message=message,
        started_at=started_at,
        finished_at=timestamp(now_s),
        container_id=container_id or PREFIX + process.name,
    )


def _state(record: ContainerRecord) -> ContainerState:
    if record.process is not None:
        return ContainerState(running=ContainerStateRunning(started_at=record.started_at))
    if record.phase is Phase.ENDED or record.waiting is None:
        if record.terminated is not None:
            return ContainerState(terminated=record.terminated)
        return ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))
    return ContainerState(
        waiting=ContainerStateWaiting(reason=record.waiting.reason, message=record.waiting.message)
    )


def _conditions(record: PodRecord, phase: str, known: Sequence[Condition]) -> list[Condition]:
    initialized = all(_is_done(init, record) for init in record.inits)
    ready = _containers_ready([*record.sidecars, *record.containers], phase)
    return [
        Condition(type="PodScheduled", status="True"),
        Condition(
            type="PodReadyToStartContainers",
            status="True" if record.volumes is not None else "False",
        ),
        Condition(type="Initialized", status="True")
        if initialized
        else _waits(
            "Initialized",
            "ContainersNotInitialized",
            "incomplete",
            [init for init in record.inits if not _is_done(init, record)],
        ),
        msgspec.structs.replace(ready, type="ContainersReady"),
        msgspec.structs.replace(_rested(_gated(ready, record, known), record), type="Ready"),
    ]


def _gated(ready: Condition, record: PodRecord, known: Sequence[Condition]) -> Condition:
    """Readiness gates: conditions that others write, without which the pod isn't ready."""
    lacking = []
    for gate in (gate.condition_type for gate in record.pod.spec.readiness_gates):
        found = find(known, gate)
        if found is None:
            lacking.append(
                f'corresponding condition of pod readiness gate "{gate}" does not exist.'
            )
        elif found.status != "True":
            lacking.append(
                f'the status of pod readiness gate "{gate}" is not "True", but {found.status}'
            )
    if ready.status != "True" or not lacking:
        return ready
    why = ", ".join(lacking)
    return Condition(type="", status="False", reason="ReadinessGatesNotReady", message=why)


def _rested(ready: Condition, record: PodRecord) -> Condition:
    """A pod at rest gets no requests, however ready its containers are."""
    if ready.status != "True":
        return ready
    if record.resting is not None:
        return Condition(
            type="", status="False", reason=names.RESTING, message=RESTS[record.resting]
        )
    if wished(record) is not None:  # about to be laid down
        return Condition(type="", status="False", reason=names.RESTING, message="loaded")
    return ready


def _containers_ready(records: Sequence[ContainerRecord], phase: str) -> Condition:
    if phase == "Succeeded":
        return Condition(type="", status="False", reason="PodCompleted")
    if phase == "Failed":
        return Condition(type="", status="False", reason="PodFailed")
    if all(record.ready for record in records):
        return Condition(type="", status="True")
    return _waits("", "ContainersNotReady", "unready", [r for r in records if not r.ready])


def _waits(type_: str, reason: str, how: str, records: Sequence[ContainerRecord]) -> Condition:
    those = " ".join(record.spec.name for record in records)
    message = f"containers with {how} status: [{those}]"
    return Condition(type=type_, status="False", reason=reason, message=message)


def _is_done(init: ContainerRecord, record: PodRecord) -> bool:
    """Nothing waits for this init container any more."""
    if init.is_sidecar:
        return init.started or record.has_begun
    return init.phase is Phase.ENDED and not _failed(init)


def _all_ended(record: PodRecord) -> bool:
    return all(c.phase is Phase.ENDED for c in (*record.inits, *record.containers))


def _failed(record: ContainerRecord) -> bool:
    return record.terminated is not None and record.terminated.exit_code != 0


def _told(
    record: PodRecord, sentences_of: Callable[[ContainerRecord], Sequence[str]]
) -> tuple[str, ...]:
    """All containers' and sidecars' sentences; where there are several each names its own."""
    everyone = [*record.sidecars, *record.containers]
    if len(everyone) == 1:
        return tuple(sentences_of(everyone[0]))
    return tuple(f"{one.spec.name}: {said}" for one in everyone for said in sentences_of(one))
