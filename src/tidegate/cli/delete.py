"""`tidegate delete`: by kind and name, or by the documents that made the objects."""

from __future__ import annotations

import sys
from time import monotonic, sleep
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_document_kind
from tidegate.cli.documents import read_documents
from tidegate.cli.errors import BadDocument, CliError, Several, Usage
from tidegate.cli.options import DataDir, Files, Namespace, Selector, duration_of, home_of
from tidegate.cli.targets import Wanted, wanted_objects
from tidegate.model.errors import ApiError, NotFound

_LOOK_AGAIN_S = 0.1


def delete(
    *what: str,
    filename: Files = None,
    namespace: Namespace = "default",
    selector: Selector = None,
    ignore_not_found: bool = False,
    grace_period: int | None = None,
    wait: Annotated[bool, Parameter(negative="--no-wait")] = True,
    timeout: str = "5m",
    data_dir: DataDir = None,
) -> int:
    """Delete objects and wait until they are gone.

    Example: tidegate delete ksvc iris

    Parameters
    ----------
    what
        KIND NAME... or KIND/NAME..., or a KIND with -l.
    ignore_not_found
        An object that isn't there is no failure.
    grace_period
        Seconds that pods get to end (default: what they say).
    wait
        Wait until the objects are gone.
    timeout
        How long to wait at most, such as 30s or 5m.
    """
    patience_s = duration_of("--timeout", timeout)
    cluster = Cluster(home_of(data_dir))
    if bool(filename) == bool(what):
        raise Usage("say either KIND NAME or -f FILE")
    deletion = _Deletion(cluster, ignore_not_found, grace_period)
    if filename:
        deletion.documents(filename, namespace)
    else:
        wanted = wanted_objects(cluster.resources(), what)
        doomed = _named(cluster, wanted, namespace, selector)
        for one in doomed:
            deletion.one(one, namespace)
        if not doomed:
            print(f"nothing found in namespace {namespace}")
    if wait:
        deletion.wait(patience_s)
    if deletion.failed:
        raise Several(deletion.failed)
    return 0


def _named(
    cluster: Cluster, wanted: list[Wanted], namespace: str, selector: str | None
) -> list[Wanted]:
    if all(one.name for one in wanted):
        return wanted
    if not selector:
        raise Usage("which ones? Give names, or -l SELECTOR")
    return [
        Wanted(one.resource, item["metadata"]["name"])
        for one in wanted
        for item in cluster.items(one.resource, namespace, selector=selector)
    ]


class _Deletion:
    """Deletes one by one and remembers what has to go."""

    def __init__(self, cluster: Cluster, ignore_not_found: bool, grace_s: int | None) -> None:
        self._cluster, self._ignore, self._grace_s = cluster, ignore_not_found, grace_s
        self._going: list[tuple[Wanted, str, str]] = []  # object, namespace, uid
        self.failed = 0

    def documents(self, files: list[str], namespace: str) -> None:
        """Delete what the documents name, last first: what was made last goes first."""
        for document in reversed(list(read_documents(files))):
            try:
                if isinstance(document, BadDocument):
                    raise document
                kind = find_document_kind(
                    self._cluster.resources(), document.api_version, document.kind
                )
                self.one(Wanted(kind, document.name), document.namespace or namespace)
            except CliError as why:
                self._fail(str(why))

    def one(self, wanted: Wanted, namespace: str) -> None:
        label = f"{wanted.resource.qualified}/{wanted.name}"
        try:
            live = self._cluster.read(wanted.resource, namespace, wanted.name)
            self._cluster.delete(wanted.resource, namespace, wanted.name, grace_s=self._grace_s)
        except NotFound as why:
            if not self._ignore:
                self._fail(str(why))
            return
        except ApiError as why:
            self._fail(f"{label}: {why}")
            return
        self._going.append((wanted, namespace, live["metadata"]["uid"]))
        print(f"{label} deleted", flush=True)

    def wait(self, timeout_s: float) -> None:
        """Return when everything deleted is gone, or has been made anew. Raises `CliError`."""
        deadline = monotonic() + timeout_s
        for wanted, namespace, uid in self._going:
            while self._is_there(wanted, namespace, uid):
                if monotonic() >= deadline:
                    raise CliError(
                        f"{wanted.resource.qualified}/{wanted.name} is still there after "
                        f"{timeout_s:g} s: `tidegate describe` it, or use --no-wait"
                    )
                sleep(_LOOK_AGAIN_S)

    def _is_there(self, wanted: Wanted, namespace: str, uid: str) -> bool:
        try:
            live = self._cluster.read(wanted.resource, namespace, wanted.name)
        except NotFound:
            return False
        return bool(live["metadata"]["uid"] == uid)

    def _fail(self, text: str) -> None:
        self.failed += 1
        print(f"tidegate: {text}", file=sys.stderr, flush=True)
