"""`tidegate logs`: what containers wrote, of a pod or of all pods of a service or revision."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Several, Usage
from tidegate.cli.follow import Follower
from tidegate.cli.options import DataDir, Namespace, duration_of, home_of
from tidegate.model.errors import ApiError, NotFound

Json = dict[str, Any]
_BY_LABEL = {
    "services.serving.knative.dev": "serving.knative.dev/service",
    "configurations.serving.knative.dev": "serving.knative.dev/configuration",
    "revisions.serving.knative.dev": "serving.knative.dev/revision",
    "inferenceservices.serving.kserve.io": "serving.kserve.io/inferenceservice",
}


def logs(
    target: str,
    /,
    *,
    container: Annotated[str | None, Parameter(name=["--container", "-c"])] = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    tail: int | None = None,
    since: str | None = None,
    previous: Annotated[bool, Parameter(name=["--previous", "-p"])] = False,
    timestamps: bool = False,
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Print what a pod, or every pod of a service, revision, deployment or job, wrote.

    With several pods each line starts with its pod's name. --follow of a pod ends with its container;
    of a service it goes on with new and restarted pods, also after none were left.

    Example: tidegate logs -f ksvc/iris

    Parameters
    ----------
    target
        POD, or ksvc/NAME, isvc/NAME, revision/NAME, deployment/NAME, svc/NAME, job/NAME.
    container
        Container of the pod (default: the one with the port, or the only one).
    follow
        Go on printing until Ctrl-C.
    tail
        So many lines from the end of each log (default: all).
    since
        Only what was written in the last 30s, 5m or 1h.
    previous
        The run before the container's last restart.
    timestamps
        Start each line with its time.
    """
    cluster = Cluster(home_of(data_dir))
    asked = {
        "container": container,
        "tailLines": tail,
        "sinceSeconds": None if since is None else max(1, round(duration_of("--since", since))),
        "follow": "true" if follow else None,
        "previous": "true" if previous else None,
        "timestamps": "true" if timestamps else None,
    }
    query = {name: str(value) for name, value in asked.items() if value is not None}
    pod, selector = _meant(cluster, target, namespace)
    if pod is None:
        return _of_several(cluster, target, namespace, selector, query)
    try:
        _copy(cluster.log(namespace, pod, query), "")
    except NotFound as why:
        others = _others_named(cluster, namespace, pod)
        raise CliError(
            f"{why}; did you mean {' or '.join(others)}?" if others else str(why)
        ) from why
    return 0


def _others_named(cluster: Cluster, namespace: str, name: str) -> list[str]:
    """What has pods, and the name that was given for one."""
    found = []
    for word in ("ksvc", "isvc", "deployment", "job"):
        with suppress(NotFound):
            cluster.read(find_kind(cluster.resources(), word), namespace, name)
            found.append(f"{word}/{name}")
    return found


def _of_several(
    cluster: Cluster, target: str, namespace: str, selector: str, query: dict[str, str]
) -> int:
    kind = find_kind(cluster.resources(), "pods")

    def look() -> Sequence[Json]:
        return cluster.items(kind, namespace, selector=selector)

    if "follow" in query and "previous" not in query:
        read = partial(cluster.log, namespace, query=query)
        Follower(look, read, sys.stdout.buffer, query.get("container")).run(threading.Event())
    names = [found["metadata"]["name"] for found in look()]
    if not names:
        raise CliError(
            f"{target} has no pods now (at zero?): logs go with their pod; send a request and look again"
        )
    failed = 0
    for name in names:
        try:
            _copy(cluster.log(namespace, name, query), f"[{name}] " if len(names) > 1 else "")
        except ApiError as why:  # it has not started, or has just gone: the others may have
            failed += 1
            print(f"tidegate: {why}", file=sys.stderr)
    if failed:
        raise Several(failed)
    return 0


def _meant(cluster: Cluster, target: str, namespace: str) -> tuple[str | None, str]:
    """One pod's name, or the labels of many. Raises `Usage`, `ApiError`."""
    kind_word, slash, name = target.partition("/")
    if not slash:
        return target, ""
    kind = find_kind(cluster.resources(), kind_word)
    resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    if resource == "pods":
        return name, ""
    owner = cluster.read(kind, namespace, name)
    if resource in _BY_LABEL:
        return None, f"{_BY_LABEL[resource]}={name}"
    labels = (owner.get("spec") or {}).get("selector") or {}
    labels = labels if resource == "services" else labels.get("matchLabels")
    if not labels:
        raise Usage(f"{target}: {kind.kind} has no pods of its own; name a pod or a ksvc")
    return None, ",".join(f"{key}={value}" for key, value in labels.items())


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
