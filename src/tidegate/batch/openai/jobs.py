"""The Job that works on a batch. The Job's controller is what brings it back after any crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tidegate.batch.openai.records import WINDOW_S
from tidegate.client.http import Client, path_of, read_kubeconfig
from tidegate.kit.home import Home
from tidegate.model.errors import AlreadyExists, NotFound

NAMESPACE: Final = "tidegate-system"
IMAGE: Final = "tidegate/openai-batch"
_KEEP_S: Final = 3600
_GRACE_S: Final = 3600  # beyond the window, to write down that it is over
LABEL: Final = "tidegate.dev/openai-batch"


def job_document(batch_id: str, home: Path) -> dict[str, Any]:
    """As often as it ends early it begins again, until the window is over."""
    pod = {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "worker",
                "image": IMAGE,
                "args": ["work", "--home", str(home), "--batch", batch_id],
            }
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(batch_id),
            "namespace": NAMESPACE,
            "labels": {LABEL: batch_id},
        },
        "spec": {
            "backoffLimit": 100_000,
            "activeDeadlineSeconds": WINDOW_S + _GRACE_S,
            "ttlSecondsAfterFinished": _KEEP_S,
            "template": {"metadata": {"labels": {LABEL: batch_id}}, "spec": pod},
        },
    }


def name_of(batch_id: str) -> str:
    return batch_id.replace("_", "-").lower()


class Jobs:
    """Makes Jobs, blocking. A connection each: a worker is asked for seldom."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def ensure(self, batch_id: str) -> None:
        """The batch's Job is there when this returns. Raises `ApiError`."""
        with Client(read_kubeconfig(self._home.kubeconfig)) as client:
            try:
                client.get(path_of("batch/v1", "jobs", NAMESPACE, name_of(batch_id)))
                return
            except NotFound:
                pass
            try:
                client.create(
                    path_of("batch/v1", "jobs", NAMESPACE), job_document(batch_id, self._home.root)
                )
            except AlreadyExists:
                return
