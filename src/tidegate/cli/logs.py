"""`tidegate logs`: what containers wrote, of a pod or of all pods of a service or revision."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import DataDir, Namespace, home_of
from tidegate.model.errors import ApiError

Json = dict[str, Any]
_BY_LABEL = {
    "services.serving.knative.dev": "serving.knative.dev/service",
    "configurations.serving.knative.dev": "serving.knative.dev/configuration",
    "revisions.serving.knative.dev": "serving.knative.dev/revision",
}


def logs(
    target: str,
    /,
    *,
    container: Annotated[str | None, Parameter(name=["--container", "-c"])] = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    tail: int | None = None,
    previous: Annotated[bool, Parameter(name=["--previous", "-p"], negative="")] = False,
    timestamps: Annotated[bool, Parameter(negative="")] = False,
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Print what a pod, or every pod of a service, revision or deployment, wrote.

    With several pods each line starts with its pod's name. --follow follows the pods there are now.

    Example: tidegate logs -f ksvc/iris

    Parameters
    ----------
    target
        POD, or ksvc/NAME, revision/NAME, deployment/NAME.
    container
        Container of the pod (default: the first one).
    follow
        Go on printing until Ctrl-C.
    tail
        So many lines from the end of each log (default: all).
    previous
        The run before the container's last restart.
    timestamps
        Start each line with its time.
    """
    cluster = Cluster(home_of(data_dir))
    query: dict[str, str] = {}
    for name, value in (("container", container), ("tailLines", tail)):
        if value is not None:
            query[name] = str(value)
    for name, wanted in (("follow", follow), ("previous", previous), ("timestamps", timestamps)):
        if wanted:
            query[name] = "true"
    pods = _pods(cluster, target, namespace)
    if len(pods) == 1:
        _copy(cluster.log(namespace, pods[0], query), "")
        return 0
    if not follow:
        for pod in pods:
            _copy(cluster.log(namespace, pod, query), f"[{pod}] ")
        return 0
    return _follow_all(cluster, namespace, pods, query)


def _pods(cluster: Cluster, target: str, namespace: str) -> list[str]:
    kind_word, slash, name = target.partition("/")
    if not slash:
        return [target]
    known = cluster.resources()
    kind = find_kind(known, kind_word)
    resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    if resource == "pods":
        return [name]
    owner = cluster.read(kind, namespace, name)
    if resource in _BY_LABEL:
        selector = f"{_BY_LABEL[resource]}={name}"
    else:
        labels = ((owner.get("spec") or {}).get("selector") or {}).get("matchLabels")
        if not labels:
            raise Usage(f"{target}: {kind.kind} has no pods of its own; name a pod or a ksvc")
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = cluster.items(find_kind(known, "pods"), namespace, selector=selector)
    if not pods:
        raise CliError(
            f"{target} has no pods now (at zero?): logs go with their pod; send a request and look again"
        )
    return [pod["metadata"]["name"] for pod in pods]


def _copy(chunks: Iterator[bytes], prefix: str) -> None:
    """Print a log; with a prefix, whole lines only, so that two logs don't mix inside one."""
    out = sys.stdout.buffer
    if not prefix:
        for chunk in chunks:
            out.write(chunk)
            out.flush()
        return
    rest, mark = b"", prefix.encode()
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        out.write(b"".join(mark + line + b"\n" for line in lines))
        out.flush()
    if rest:
        out.write(mark + rest + b"\n")
        out.flush()


def _follow_all(cluster: Cluster, namespace: str, pods: list[str], query: dict[str, str]) -> int:
    """A thread per pod; they end with their logs, or with us (daemons: Ctrl-C must not wait)."""
    failed: list[str] = []

    def follow(pod: str) -> None:
        try:
            _copy(cluster.log(namespace, pod, query), f"[{pod}] ")
        except (ApiError, CliError, OSError) as why:
            failed.append(f"{pod}: {why}")

    threads = [threading.Thread(target=follow, args=(pod,), daemon=True) for pod in pods]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise CliError("; ".join(failed))
    return 0
