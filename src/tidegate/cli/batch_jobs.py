"""Batch runs as Jobs: the document that does what the command would, and how such Jobs are doing."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tidegate.batch.errors import BatchError
from tidegate.batch.places import STDIN, is_object
from tidegate.batch.plan import local_name
from tidegate.batch.spool import Journal, Paths, read_journal
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource, find_kind
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import home_of
from tidegate.cli.tables import show_table
from tidegate.cli.yaml_text import to_yaml

if TYPE_CHECKING:
    from tidegate.cli.batch_run import Asked
    from tidegate.cli.batch_target import BatchTarget

LABEL: Final = "tidegate.dev/batch"
_PLACE: Final = "tidegate.dev/batch-files"  # the local name that the journal stands beside
_OUTPUT: Final = "tidegate.dev/batch-output"
_IMAGE: Final = "tidegate/batch"
_NO_USE_TO_REPEAT: Final = [2, 3]  # a wrong command; finished, with failed rows


def job_document(
    asked: Asked, target: BatchTarget, *, name: str | None, secret: str | None
) -> dict[str, Any]:
    """The Job. A pod that ends early is followed by one that goes on where it stopped."""
    if asked.input == STDIN:
        raise Usage("--input -: a Job has no standard input; give a file or s3://BUCKET/KEY")
    files = {place: _folder(place) for place in (asked.input, asked.output)}
    made = name or f"batch-{target.name}-{_digest(asked)}"
    state = home_of(asked.data_dir).root / "batch"
    local = state if is_object(asked.output) else None
    container: dict[str, Any] = {
        "name": "batch",
        "image": _IMAGE,
        "args": list(_arguments(asked, target, state=local, run=made)),
    }
    mounts = sorted({folder for folder in files.values() if folder} | ({str(local)} - {"None"}))
    if mounts:
        container["volumeMounts"] = [
            {"name": f"files-{at}", "mountPath": folder} for at, folder in enumerate(mounts)
        ]
    if secret is not None:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
    if mounts:
        pod["volumes"] = [
            {"name": f"files-{at}", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}
            for at, folder in enumerate(mounts)
        ]
    rules = [
        {
            "action": "FailJob",
            "onExitCodes": {"operator": "In", "values": _NO_USE_TO_REPEAT},
        }
    ]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": made,
            "namespace": asked.namespace,
            "labels": {LABEL: "true"},
            "annotations": {
                _OUTPUT: _absolute(asked.output),
                _PLACE: str(local_name(_absolute(asked.output), state)),
            },
        },
        "spec": {
            "backoffLimit": 20,
            "podFailurePolicy": {"rules": rules},
            "template": {"metadata": {"labels": {LABEL: "true"}}, "spec": pod},
        },
    }


def create_job(document: dict[str, Any], asked: Asked, *, dry_run: bool, report: str) -> int:
    """Show it, or make it. Raises `CliError` and errors of the API."""
    if dry_run:
        text = json.dumps(document, indent=2) + "\n" if report == "json" else to_yaml(document)
        print(text, end="")
        return 0
    cluster = Cluster(home_of(asked.data_dir))
    made = cluster.create(_jobs(cluster), asked.namespace, document)
    name = made.body["metadata"]["name"]
    for warning in made.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    print(f"job.batch/{name} created")
    print(f"# `tidegate batch status {name}` says how it is doing", file=sys.stderr)
    return 0


def list_jobs(namespace: str, data_dir: str | None, report: str) -> int:
    """Print the batch Jobs of a namespace."""
    cluster = Cluster(home_of(data_dir))
    found = [_about(job) for job in _items(cluster, namespace)]
    if report == "json":
        print(json.dumps(found))
        return 0
    show_table(
        ["NAME", "STATE", "SERVED", "FAILED", "OUTPUT"],
        [
            [str(one[key]) for key in ("name", "state", "served", "failed", "output")]
            for one in found
        ],
    )
    return 0


def show_job(name: str, namespace: str, data_dir: str | None) -> int:
    """Print how one is doing."""
    cluster = Cluster(home_of(data_dir))
    for key, value in _about(_read(cluster, namespace, name)).items():
        if value != "":
            print(f"{key + ':':<10} {value}")
    return 0


def cancel(name: str, namespace: str, data_dir: str | None) -> int:
    """End one. What it has written stays."""
    cluster = Cluster(home_of(data_dir))
    about = _about(_read(cluster, namespace, name))
    cluster.delete(_jobs(cluster), namespace, name)
    print(f"job.batch/{name} deleted; its rows so far are in {about['output']}.part")
    return 0


def _read(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    job = cluster.read(_jobs(cluster), namespace, name)
    if LABEL not in (job["metadata"].get("labels") or {}):
        raise CliError(f"job {name} is no batch run: `tidegate batch ls` lists them")
    return job


def _items(cluster: Cluster, namespace: str) -> Iterator[dict[str, Any]]:
    yield from cluster.items(_jobs(cluster), namespace, selector=LABEL)


def _jobs(cluster: Cluster) -> Resource:
    return find_kind(cluster.resources(), "jobs.batch")


def _about(job: Mapping[str, Any]) -> dict[str, Any]:
    notes = job["metadata"].get("annotations") or {}
    journal = _journal(notes.get(_PLACE))
    return {
        "name": job["metadata"]["name"],
        "state": _state(job),
        "served": journal.served if journal else 0,
        "failed": journal.failed if journal else 0,
        "output": notes.get(_OUTPUT, ""),
        "why": _why(job),
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


def _why(job: Mapping[str, Any]) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c.get("message", "") for c in conditions if c["type"] == "Failed"), "")


def _arguments(asked: Asked, target: BatchTarget, *, state: Path | None, run: str) -> Iterator[str]:
    """The command line again, with what this shell knows and a pod doesn't written out."""
    yield from ("run", asked.target)
    if "://" not in asked.target:
        yield from ("--url", target.inside)
    yield from ("--input", _absolute(asked.input), "--output", _absolute(asked.output))
    yield from ("--run-name", asked.run_name or run, "--protocol", asked.protocol)
    yield from ("--model", asked.model or target.name)
    for name in asked.columns:
        yield from ("--column", name)
    for option, value in (
        ("--template", _inlined(asked.template)),
        ("--keep", asked.keep),
        ("--id", asked.id_column),
        ("--batch-size", asked.batch_size if asked.batch_size > 1 else None),
        ("--concurrency", asked.concurrency),
        ("--max-concurrency", asked.max_concurrency if asked.max_concurrency != 256 else None),
        ("--limit", asked.limit),
        ("--retries", asked.retries if asked.retries != 3 else None),
        ("--timeout", asked.timeout if asked.timeout != "10m" else None),
        ("--patience", asked.patience if asked.patience != "5m" else None),
        ("--on-error", asked.on_error if asked.on_error != "record" else None),
        ("--input-format", asked.input_format),
        ("--output-format", asked.output_format),
        ("--s3-endpoint", asked.s3_endpoint),
        ("--s3-region", asked.s3_region),
        ("--state-dir", state),
    ):
        if value is not None:
            yield from (option, str(value))
    for header in asked.headers:
        yield from ("-H", header)
    for flag, given in (
        ("--with-input", asked.with_input),
        ("--no-ordered", not asked.ordered),
        ("--scale", asked.scale),
        ("--overwrite", asked.overwrite),
        ("--s3-anonymous", asked.s3_anonymous),
        ("--failed-rows-ok", asked.failed_rows_ok),
    ):
        if given:
            yield flag


def _inlined(template: str | None) -> str | None:
    if template is None or not template.startswith("@"):
        return template
    return json.dumps(json.loads(Path(template[1:]).read_text()))


def _absolute(place: str) -> str:
    return place if is_object(place) else str(Path(place.removeprefix("file://")).absolute())


def _folder(place: str) -> str | None:
    return None if is_object(place) else str(Path(_absolute(place)).parent)


def _digest(asked: Asked) -> str:
    """The same for the same output, so that one Job at a time writes it."""
    return hashlib.sha256(_absolute(asked.output).encode()).hexdigest()[:8]
