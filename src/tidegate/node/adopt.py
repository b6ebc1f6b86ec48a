"""What an agent that starts knows of a pod: from its status and from the keeper's table.

The table says what runs, the status what was ready and how earlier runs ended. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidegate.link.keeper import Process
from tidegate.model.conditions import seconds_of
from tidegate.model.containers import Container
from tidegate.model.pods import ContainerStatus, LocalPod, Pod
from tidegate.node.lifecycle import BackOff, Phase, back_off_after, starts_again
from tidegate.node.record import CREATING, INITIALIZING, ContainerRecord, PodRecord
from tidegate.node.status import PREFIX


def recall_pod(
    pod: Pod,
    table: Mapping[str, Process],
    changed: Callable[[], None],
    *,
    now_s: float,
    monotonic_s: float,
) -> PodRecord:
    """The pod's record as an agent before this one left it; a fresh one for a new pod."""
    status = pod.status
    local = (status.tidegate if status is not None else None) or LocalPod()
    mine = {name: p for name, p in table.items() if name.startswith(f"{pod.metadata.uid}/")}
    shift_s = monotonic_s - now_s

    def recall(
        container: Container, statuses: tuple[ContainerStatus, ...], restart_policy: str
    ) -> ContainerRecord:
        told = next((s for s in statuses if s.name == container.name), None)
        uid = pod.metadata.uid or ""
        record = recall_container(container, told, mine, uid=uid, shift_s=shift_s)
        ended = record.terminated
        told_between_runs = ended is not None and starts_again(restart_policy, ended.exit_code)
        if record.phase is Phase.ENDED and told_between_runs:
            record.phase = Phase.PENDING
        return record

    policy = pod.spec.restart_policy or "Always"
    record = PodRecord(pod=pod, changed=changed, ports=local.ports)
    record.inits = [
        recall(c, status.init_container_statuses if status else (), init_policy(pod, c))
        for c in pod.spec.init_containers
    ]
    record.containers = [
        recall(c, status.container_statuses if status else (), policy) for c in pod.spec.containers
    ]
    if record.has_begun:
        for init in record.inits:
            if not init.is_sidecar:  # or the others could not have started
                init.phase, init.ready = Phase.ENDED, True
    elif record.inits:
        for each in (*record.inits, *record.containers):
            if each.waiting == CREATING:
                each.waiting = INITIALIZING
    if len(record.containers) == 1 and not record.sidecars:
        record.containers[0].rewritten = local.rewritten
        record.containers[0].not_enforced = local.not_enforced
        record.containers[0].origin = next(iter(local.origin), None)
    if status is not None and status.phase in ("Succeeded", "Failed"):
        for each in (*record.inits, *record.containers):
            each.phase, each.process = Phase.ENDED, None
    return record


def init_policy(pod: Pod, init: Container) -> str:
    """By which policy an init container is started again; a sidecar always is."""
    if init.restart_policy == "Always":
        return "Always"
    return "Never" if pod.spec.restart_policy == "Never" else "OnFailure"


def recall_container(
    container: Container,
    told: ContainerStatus | None,
    table: Mapping[str, Process],
    *,
    uid: str,
    shift_s: float,
) -> ContainerRecord:
    """One container. `shift_s` turns wall time into monotonic time."""
    record = ContainerRecord(container, waiting=CREATING)
    running = _latest(table, f"{uid}/{container.name}/")
    told_id = (told.container_id or "").partition("://")[2] if told is not None else ""
    name = running.name if running and _attempt(running.name) >= _attempt(told_id) else told_id
    if not name:
        return record
    same = told is not None and name == told_id
    record.container_id = told.container_id if told is not None and same else PREFIX + name
    record.image_id = (told.image_id or "") if told is not None and same else ""
    record.runs = _attempt(name) + 1
    if told is not None:
        _recall_endings(record, told, same_run=name == told_id, shift_s=shift_s)
    if record.terminated is not None and record.terminated.container_id == record.container_id:
        return record  # that run's end was seen and told
    record.process = table.get(name) or Process(name, 0, 0, "", ended=True)
    record.waiting, record.phase = None, Phase.STARTING
    if told is not None and name == told_id:
        record.image = told.image
        record.stale = bool(told.image) and told.image != container.image
        record.ready, record.started = bool(told.ready), bool(told.started)
        record.phase = Phase.READY if record.ready else Phase.STARTING
        if told.state is not None and told.state.running is not None:
            record.started_at = told.state.running.started_at
    if name not in table:  # the engine or the machine was stopped with it: nothing that crashed
        record.back_off = BackOff()
        return record
    started_s = seconds_of(record.started_at) + shift_s if record.started_at else -1e9
    record.back_off = back_off_after(record.restarts, started_s)
    return record


def _recall_endings(
    record: ContainerRecord, told: ContainerStatus, *, same_run: bool, shift_s: float
) -> None:
    state, last = told.state, told.last_state
    record.before = last.terminated if last is not None else None
    record.terminated = record.before
    if state is not None and state.terminated is not None:
        record.terminated = state.terminated
        if same_run:
            record.phase = Phase.ENDED
    ended = record.terminated
    if ended is not None and ended.finished_at:
        record.ended_at_s = seconds_of(ended.finished_at) + shift_s
        began_s = seconds_of(ended.started_at or ended.finished_at) + shift_s
        record.back_off = back_off_after(record.restarts, began_s)
    if state is not None and state.waiting is not None:
        record.waiting = None


def _latest(table: Mapping[str, Process], prefix: str) -> Process | None:
    ours = [process for name, process in table.items() if name.startswith(prefix)]
    return max(ours, key=lambda process: _attempt(process.name), default=None)


def _attempt(name: str) -> int:
    """-1 for no name."""
    last = name.rpartition("/")[2]
    return int(last) if last.isdecimal() else -1
