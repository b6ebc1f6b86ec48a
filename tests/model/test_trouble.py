"""Why a revision has no replica, read off its pods."""

from __future__ import annotations

import pytest

from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    LocalPod,
    Pod,
    PodStatus,
)
from tidegate.model.trouble import Stage, Trouble, trouble_of

RUNNING = ContainerState(running=ContainerStateRunning())


def pod(state: ContainerState = RUNNING, *, last=None, ready=False, going=False, **status) -> Pod:
    container = ContainerStatus(name="c", state=state, last_state=last, ready=ready)
    return Pod(
        metadata=ObjectMeta(name="p", deletion_timestamp="2030-01-01T00:00:00Z" if going else None),
        status=PodStatus(container_statuses=(container,), **status),
    )


def waiting(reason: str, message: str | None = None) -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def ended(code: int, message: str | None = None) -> ContainerState:
    return ContainerState(terminated=ContainerStateTerminated(exit_code=code, message=message))


UNSEEN = ContainerState(terminated=ContainerStateTerminated(exit_code=-1, reason="Unknown"))
NO_ROOM = Condition(
    type="PodScheduled", status="False", reason="Unschedulable", message="0/1 nodes are available"
)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        pytest.param(
            pod(conditions=(NO_ROOM,)),
            Trouble(Stage.NO_ROOM, "Unschedulable", "0/1 nodes are available"),
            id="no node takes it",
        ),
        pytest.param(
            pod(waiting("ImageNotRunnable", "image x")),
            Trouble(Stage.FAILED, "ImageNotRunnable", "image x"),
            id="its image means nothing here",
        ),
        pytest.param(
            pod(waiting("CrashLoopBackOff", "back-off 40s"), last=ended(3, "no such model\n")),
            Trouble(Stage.FAILED, "ExitCode3", "Container failed with: no such model"),
            id="it crashed: its last words, not the back-off",
        ),
        pytest.param(
            pod(waiting("CrashLoopBackOff", "back-off 40s"), last=ended(3)),
            Trouble(
                Stage.FAILED,
                "ExitCode3",
                "Container failed with: c ended with exit code 3 and without a word",
            ),
            id="it crashed without a word",
        ),
        pytest.param(
            pod(last=UNSEEN), None, id="it ended while the engine was down, and starts again"
        ),
        pytest.param(
            pod(ended(0)),
            Trouble(
                Stage.FAILED, "ExitCode0", "Container failed with: container exited with no error"
            ),
            id="it ended without an error",
        ),
        pytest.param(
            pod(waiting("ContainerCreating", 'configmap "x" not found')),
            Trouble(Stage.ON_ITS_WAY, "ContainerCreating", 'configmap "x" not found'),
            id="a volume is missing",
        ),
        pytest.param(
            pod(tidegate=LocalPod(trouble=("listens on 9999",))),
            Trouble(Stage.ON_ITS_WAY, "ContainersNotReady", "listens on 9999"),
            id="it runs and is not ready",
        ),
        pytest.param(pod(waiting("ContainerCreating")), None, id="it has only begun"),
        pytest.param(pod(ready=True, last=ended(1)), None, id="it failed once and is ready now"),
        pytest.param(pod(ended(1), going=True), None, id="it is going"),
    ],
)
def test_the_trouble_of_a_revision_is_that_of_its_first_pod(seen, found):
    assert trouble_of([seen]) == found


def test_a_revision_without_pods_has_no_trouble():
    assert trouble_of([]) is None
