"""Submitting: render, see that the job is new, apply, and say so as Arena does."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate.cli.apply import send_document
from tidegate.cli.arena.config_files import ConfigFile, read_config_files
from tidegate.cli.arena.jobs import find_jobs, found_kind
from tidegate.cli.arena.log import Log
from tidegate.cli.arena.options import Options
from tidegate.cli.arena.parse import parse_submission
from tidegate.cli.arena.render_deployed import render_deployed
from tidegate.cli.arena.render_istio import check_istio
from tidegate.cli.arena.render_kserve import render_kserve
from tidegate.cli.arena.render_pods import Json
from tidegate.cli.arena.types import ServeType
from tidegate.cli.cluster import Cluster
from tidegate.cli.documents import Document
from tidegate.cli.errors import CliError
from tidegate.model.errors import NotFound


def submit(
    type_: ServeType,
    argv: Sequence[str],
    connect: Callable[[], Cluster],
    log: Log,
    now: datetime,
) -> int:
    """Render and apply. `connect` is not called for a dry run. Raises `Usage`, `CliError`, `ApiError`."""
    options, output = parse_submission(type_, f"arena serve {type_.name}", argv)
    namespace = options.namespace or "default"
    if options.enable_istio:
        check_istio(options)
    if type_.kind == "Deployment" and not options.version:
        options = replace(options, version=now.strftime("%Y%m%d%H%M"))
    documents = render(type_, options, namespace, read_config_files(options.config_file))
    if output:
        print(as_text(documents, output), end="")
        return 0
    cluster = connect()
    if find_jobs(cluster, namespace, name=options.name, version=options.version, type_=type_):
        raise CliError(
            f"the job {options.name} is already exist, please delete it first. "
            f"use 'arena serve delete {options.name}'"
        )
    if options.enable_istio:
        documents = without_shared(cluster, documents, namespace, options.name)
    apply_documents(cluster, documents)
    log.say(f"The Job {options.name} has been submitted successfully")
    log.say(
        f"You can run `arena serve get {options.name} --type {type_.word} -n {namespace}` "
        "to check the job status"
    )
    return 0


def render(
    type_: ServeType, options: Options, namespace: str, files: Sequence[ConfigFile] = ()
) -> list[Json]:
    """The documents of a job. `files`: those of `--config-file`."""
    if type_.kind == "InferenceService":
        return render_kserve(options, namespace, files)
    return render_deployed(type_, options, namespace, files)


def apply_documents(cluster: Cluster, documents: Sequence[Json]) -> None:
    """Apply one after the other, a line for each; none where one of them would be refused.

    A Service that stays behind a refused Deployment is no job: `list` and `delete` would not find it.
    """
    for index, value in enumerate(documents, 1):
        send_document(cluster, Document("arena", index, value, {}), dry_run=True)
    for index, value in enumerate(documents, 1):
        sent = send_document(cluster, Document("arena", index, value, {}))
        for warning in sent.warnings:
            print(f"Warning: {sent.name}: {warning}", file=sys.stderr)
        print(f"{sent.name} {sent.what}", flush=True)


def send(cluster: Cluster, documents: Sequence[Json]) -> None:
    """Apply one after the other and say only what there is to warn of."""
    for index, value in enumerate(documents, 1):
        sent = send_document(cluster, Document("arena", index, value, {}))
        for warning in sent.warnings:
            print(f"Warning: {sent.name}: {warning}", file=sys.stderr)


def without_shared(
    cluster: Cluster, documents: Sequence[Json], namespace: str, name: str
) -> list[Json]:
    """Without what an earlier version has made for all of them, if it has."""
    try:
        cluster.read(found_kind(cluster, "services"), namespace, name)
    except NotFound:
        return list(documents)
    return [document for document in documents if document["kind"] in ("ConfigMap", "Deployment")]


def as_text(documents: Sequence[Json], output: str) -> str:
    """The documents as YAML documents, or as a JSON List."""
    if output == "json":
        made = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump_all(documents, text)
    return text.getvalue()
