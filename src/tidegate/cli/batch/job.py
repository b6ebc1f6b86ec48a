"""A batch run as a Job: the document that does what the command would."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tidegate.batch.places import STDIN, is_object
from tidegate.batch.plan import local_name
from tidegate.cli.batch.options import Asked, words_of
from tidegate.cli.batch.target import BatchTarget
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import home_of
from tidegate.cli.places import placed
from tidegate.cli.yaml_text import to_yaml
from tidegate.model.errors import AlreadyExists

Json = dict[str, Any]
LABEL: Final = "tidegate.dev/batch"
PLACE: Final = "tidegate.dev/batch-files"  # the local name that the journal stands beside
OUTPUT: Final = "tidegate.dev/batch-output"
_IMAGE: Final = "tidegate/batch"
_NO_USE_TO_REPEAT: Final = [2, 3]  # a wrong command; finished, with failed rows


def job_document(
    asked: Asked, target: BatchTarget, *, name: str | None, secret: str | None
) -> Json:
    """The Job. A pod that ends early is followed by one that goes on where it stopped."""
    if asked.input == STDIN:
        raise Usage("--input -: a Job has no standard input; give a file or s3://BUCKET/KEY")
    made = name or f"batch-{target.name}-{_digest(asked)}"
    state = placed(asked.places.state_dir or home_of(asked.data_dir).root / "batch")
    only_fails = {"operator": "In", "values": _NO_USE_TO_REPEAT}
    rules = [{"action": "FailJob", "onExitCodes": only_fails}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": made,
            "namespace": asked.namespace,
            "labels": {LABEL: "true"},
            "annotations": {
                OUTPUT: _absolute(asked.output),
                PLACE: str(local_name(_absolute(asked.output), state)),
            },
        },
        "spec": {
            "backoffLimit": 20,
            "podFailurePolicy": {"rules": rules},
            "template": {
                "metadata": {"labels": {LABEL: "true"}},
                "spec": _pod(asked, target, made, state, secret),
            },
        },
    }


def _pod(asked: Asked, target: BatchTarget, run: str, state: Path, secret: str | None) -> Json:
    """Its volumes are the folders of this machine that the run reads and writes."""
    kept = state if is_object(asked.output) else None
    container: Json = {
        "name": "batch",
        "image": _IMAGE,
        "args": list(_arguments(asked, target, state=kept, run=run)),
    }
    pod: Json = {"restartPolicy": "Never", "containers": [container]}
    found = {_folder(asked.input), _folder(asked.output), str(kept) if kept else None}
    folders = sorted(folder for folder in found if folder is not None)
    if folders:
        container["volumeMounts"] = [
            {"name": f"files-{at}", "mountPath": folder} for at, folder in enumerate(folders)
        ]
        pod["volumes"] = [
            {"name": f"files-{at}", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}
            for at, folder in enumerate(folders)
        ]
    if secret is not None:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    return pod


def create_job(document: Json, asked: Asked, *, dry_run: bool, report: str) -> int:
    """Show it, or make it. Raises `CliError` and errors of the API."""
    if dry_run:
        print(_as_text(document, report), end="")
        return 0
    cluster = Cluster(home_of(asked.data_dir))
    name = document["metadata"]["name"]
    try:
        made = cluster.create(
            find_kind(cluster.resources(), "jobs.batch"), asked.namespace, document
        )
    except AlreadyExists as why:
        raise CliError(
            f"the Job {name} is there already: `tidegate batch status {name}` says how it is doing. After"
            f" `tidegate batch cancel {name}` the same command goes on where it stopped"
        ) from why
    for warning in made.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    if report != "text":
        print(_as_text(made.body, report), end="")
        return 0
    print(f"job.batch/{name} created")
    print(f"# `tidegate batch status {name}` says how it is doing", file=sys.stderr)
    return 0


def _as_text(document: Json, report: str) -> str:
    return json.dumps(document, indent=2) + "\n" if report == "json" else to_yaml(document)


def _arguments(asked: Asked, target: BatchTarget, *, state: Path | None, run: str) -> Iterator[str]:
    """The command line again, with what this shell knows and a pod doesn't written out."""
    yield from ("run", asked.target)
    if "://" not in asked.target:
        yield from ("--url", target.inside)
    yield from ("--input", _absolute(asked.input), "--output", _absolute(asked.output))
    requests = asked.requests
    yield from words_of(
        replace(
            requests,
            model=requests.model or target.model,
            template=_inlined(requests.template),
        )
    )
    yield from words_of(asked.pace)
    places = asked.places
    yield from words_of(replace(places, run_name=places.run_name or run, state_dir=state))


def _inlined(template: str | None) -> str | None:
    if template is None or not template.startswith("@"):
        return template
    return json.dumps(json.loads(Path(template[1:]).read_text()))


def _absolute(place: str) -> str:
    return place if is_object(place) else str(placed(Path(place.removeprefix("file://"))))


def _folder(place: str) -> str | None:
    return None if is_object(place) else str(Path(_absolute(place)).parent)


def _digest(asked: Asked) -> str:
    """The same for the same output, so that one Job at a time writes it."""
    return hashlib.sha256(_absolute(asked.output).encode()).hexdigest()[:8]
