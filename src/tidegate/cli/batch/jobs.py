"""Batch runs that are Jobs: how they are doing, and ending one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.batch.errors import BatchError
from tidegate.batch.spool import Journal, Paths, read_journal
from tidegate.cli.batch.job import LABEL, OUTPUT, PLACE
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource, find_kind
from tidegate.cli.errors import CliError
from tidegate.cli.options import AllNamespaces, AsTable, AsText, DataDir, Namespace, home_of
from tidegate.cli.tables import show_table
from tidegate.kit.realtime import RealClock
from tidegate.model.ages import age_of

Json = dict[str, Any]
_HEADER = ("NAME", "STATE", "SERVED", "FAILED", "AGE", "OUTPUT")


def ls(
    *,
    namespace: Namespace = "default",
    all_namespaces: AllNamespaces = False,
    output: AsTable = "table",
    data_dir: DataDir = None,
) -> int:
    """List the runs that are Jobs.

    Example: tidegate batch ls
    """
    cluster = Cluster(home_of(data_dir))
    inside = None if all_namespaces else namespace
    jobs = cluster.items(_jobs(cluster), inside, selector=LABEL)
    found = [_about(job) for job in jobs]
    if output == "json":
        print(json.dumps(found))
        return 0
    header = ("NAMESPACE", *_HEADER) if all_namespaces else _HEADER
    now_s = RealClock().now()
    rows = [one | {"age": age_of(one["created"], now_s)} for one in found]
    show_table(header, [[str(row[title.lower()]) for title in header] for row in rows])
    return 0


def status(
    name: str,
    /,
    *,
    namespace: Namespace = "default",
    output: AsText = "text",
    data_dir: DataDir = None,
) -> int:
    """Tell how a run that is a Job is doing.

    Example: tidegate batch status batch-iris-1a2b3c4d

    Parameters
    ----------
    name
        Name of the Job.
    """
    found = _about(_read(Cluster(home_of(data_dir)), namespace, name))
    if output == "json":
        print(json.dumps(found))
        return 0
    for key, value in found.items():
        if value != "":
            print(f"{key + ':':<11}{value}")
    return 0


def cancel(name: str, /, *, namespace: Namespace = "default", data_dir: DataDir = None) -> int:
    """End a run that is a Job. What it has written stays.

    Example: tidegate batch cancel batch-iris-1a2b3c4d

    Parameters
    ----------
    name
        Name of the Job.
    """
    cluster = Cluster(home_of(data_dir))
    job = _read(cluster, namespace, name)
    cluster.delete(_jobs(cluster), namespace, name)
    print(f"job.batch/{name} deleted; {_left_by(job)}")
    return 0


def _left_by(job: Json) -> str:
    notes = job["metadata"].get("annotations") or {}
    if _state(job) == "Complete":
        return f"its output stays: {notes.get(OUTPUT, '')}"
    part = Paths(Path(notes[PLACE])).part if notes.get(PLACE) else None
    if part is None or not part.exists():
        return "it has written nothing yet"
    return f"its rows so far are in {part}"


def _read(cluster: Cluster, namespace: str, name: str) -> Json:
    job = cluster.read(_jobs(cluster), namespace, name)
    if LABEL not in (job["metadata"].get("labels") or {}):
        raise CliError(f"job {name} is no batch run: `tidegate batch ls` lists them")
    return job


def _jobs(cluster: Cluster) -> Resource:
    return find_kind(cluster.resources(), "jobs.batch")


def _about(job: Mapping[str, Any]) -> Json:
    notes = job["metadata"].get("annotations") or {}
    journal = _journal(notes.get(PLACE))
    return {
        "namespace": job["metadata"]["namespace"],
        "name": job["metadata"]["name"],
        "created": job["metadata"]["creationTimestamp"],
        "state": _state(job),
        "served": journal.served if journal else 0,
        "failed": journal.failed if journal else 0,
        "output": notes.get(OUTPUT, ""),
        "why": _why(job, journal),
    }


def _journal(place: str | None) -> Journal | None:
    try:
        return read_journal(Paths(Path(place)).journal) if place else None
    except BatchError:
        return None


def _state(job: Mapping[str, Any]) -> str:
    status = job.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"])
    return "Running" if status.get("active") else "Pending"


def _why(job: Mapping[str, Any], journal: Journal | None) -> str:
    """What a person should know of a run that isn't simply going on or done."""
    status = job.get("status") or {}
    if journal is not None and journal.state == "complete" and journal.failed:
        return "all rows are done, and the failed ones are in the output's .failed.jsonl"
    for condition in status.get("conditions") or ():
        if condition["type"] == "Failed":
            return str(condition.get("message", ""))
    if not status.get("failed") or _state(job) == "Complete":
        return ""
    logs = f"`tidegate logs job/{job['metadata']['name']}`"
    return f"pods that ended early: {status['failed']}, the next one goes on; {logs} says why"
