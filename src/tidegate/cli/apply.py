"""`tidegate apply`: every document on its own, created or brought to what it says."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource, find_document_kind
from tidegate.cli.documents import Document, read_documents
from tidegate.cli.errors import BadDocument, CliError, Several, Usage, one_line
from tidegate.cli.merge3 import last_applied, merge_patch, with_last_applied, without_nulls
from tidegate.cli.options import DataDir, DocumentNamespace, Files, home_of
from tidegate.client.http import Answer
from tidegate.kit.home import Home
from tidegate.model.errors import ApiError, NotFound

_PATH = re.compile(
    r"\b(?:metadata|spec|data|binaryData|stringData|status)(?:\.[\w/\-]+|\[[^\]]+\])+"
)
_UNKNOWN = re.compile(r"(?:unknown|duplicate) field \\?\"([^\"\\]+)")


def apply(
    *,
    filename: Files = None,
    namespace: DocumentNamespace = None,
    dry_run: bool = False,
    data_dir: DataDir = None,
) -> int:
    """Create objects from documents, or change them to what the documents say now.

    Each document is reported on its own; a bad one doesn't stop the others, and the exit code is 1
    when any failed. Fields that a document no longer has are removed from the object.

    Example: tidegate apply -f examples/iris/build/iris.yaml

    Parameters
    ----------
    dry_run
        Let the server check everything and change nothing.
    """
    if not filename:
        raise Usage("nothing to apply: -f FILE, -f FOLDER or -f -")
    failed = apply_files(home_of(data_dir), filename, namespace=namespace, dry_run=dry_run)
    if failed:
        raise Several(failed)
    return 0


def apply_files(
    home: Home, files: list[str], *, namespace: str | None = None, dry_run: bool = False
) -> int:
    """Apply the documents of files in their order, saying how each went; how many failed."""
    documents = list(read_documents(files))  # first: a missing file stops before anything changes
    if not documents:
        raise CliError(f"no documents in {', '.join(files)}")
    cluster = Cluster(home)
    failed = 0
    for document in documents:
        try:
            if isinstance(document, BadDocument):
                raise document
            done = apply_document(cluster, document, namespace=namespace, dry_run=dry_run)
            print(done + (" (dry run)" if dry_run else ""), flush=True)
        except (CliError, ApiError) as why:
            failed += 1
            print(f"tidegate: {explained(document, why)}", file=sys.stderr, flush=True)
    return failed


def apply_document(
    cluster: Cluster, document: Document, *, namespace: str | None = None, dry_run: bool = False
) -> str:
    """Create or change one object; what was done, as `service.serving.knative.dev/iris created`.

    Prints warnings. Raises `CliError`, `ApiError`.
    """
    sent = send_document(cluster, document, namespace=namespace, dry_run=dry_run)
    for warning in sent.warnings:
        print(f"Warning: {sent.name}: {warning}", file=sys.stderr)
    return f"{sent.name} {sent.what}"


@dataclass(frozen=True, slots=True)
class Sent:
    """`name`: `service.serving.knative.dev/iris`; `what` became of it: created, configured, unchanged."""

    name: str
    what: str
    warnings: tuple[str, ...] = ()


def send_document(
    cluster: Cluster, document: Document, *, namespace: str | None = None, dry_run: bool = False
) -> Sent:
    """Create or change one object. Raises `CliError`, `ApiError`."""
    resource = find_document_kind(cluster.resources(), document.api_version, document.kind)
    inside = namespace_of(document, resource, namespace)
    wanted = with_last_applied(without_nulls(document.value))
    if inside:
        wanted["metadata"]["namespace"] = inside
    if not wanted["metadata"].get("name"):
        if not wanted["metadata"].get("generateName"):
            raise CliError("metadata.name: missing, an object needs a name")
        answer = cluster.create(resource, inside, wanted, dry_run=dry_run)
        name = answer.body["metadata"]["name"]
        return _sent(resource, name, "created", answer)
    name = document.name
    try:
        live = cluster.read(resource, inside, name)
    except NotFound:
        answer = cluster.create(resource, inside, wanted, dry_run=dry_run)
        return _sent(resource, name, "created", answer)
    patch = merge_patch(last_applied(live), wanted, live)
    if not patch:
        return Sent(f"{resource.qualified}/{name}", "unchanged")
    answer = cluster.merge(resource, inside, name, patch, dry_run=dry_run)
    same = answer.body["metadata"].get("resourceVersion") == live["metadata"]["resourceVersion"]
    return _sent(resource, name, "unchanged" if same and not dry_run else "configured", answer)


def explained(document: Document | BadDocument, why: Exception) -> str:
    """The failure of a document in one line: where in the file, which object, what is wrong."""
    if isinstance(document, BadDocument):
        return str(why)
    said = one_line(why)
    places = [document.where(path) for path in paths_in(why)]
    lines = list(dict.fromkeys(place.line for place in places if place is not None))
    here = document.where("") if not lines else None
    line = lines[0] if lines else here.line if here else 0
    more = f" (lines {', '.join(map(str, lines))})" if len(lines) > 1 else ""
    name = f"{document.kind}/{document.name}" if document.name else document.kind
    place = f"{document.source}:{line}" if line else document.source
    return f"{place}: document {document.index}, {name}: {said}{more}"


def paths_in(why: Exception) -> list[str]:
    """The paths of fields that an error speaks of, in its order."""
    details = why.details if isinstance(why, ApiError) and why.details else {}
    found: list[str] = [str(c["field"]) for c in details.get("causes") or () if c.get("field")]
    text = str(why)
    found += _UNKNOWN.findall(text) + _PATH.findall(text)
    return list(dict.fromkeys(path.rstrip(".") for path in found))


def namespace_of(document: Document, resource: Resource, asked: str | None) -> str | None:
    """Where an object goes; None outside namespaces. Raises `CliError` when two are said."""
    if not resource.namespaced:
        return None
    if asked and document.namespace and asked != document.namespace:
        raise CliError(
            f"metadata.namespace is {document.namespace!r} and --namespace is {asked!r}: use one"
        )
    return document.namespace or asked or "default"


def _sent(resource: Resource, name: str, what: str, answer: Answer) -> Sent:
    return Sent(f"{resource.qualified}/{name}", what, answer.warnings)
