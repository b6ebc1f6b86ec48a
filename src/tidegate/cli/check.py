"""`tidegate check`: what applying documents would say, and nothing applied.

Each document is read and admitted in this process, so that it works without an engine. Where one
runs, its settings count, and its server is asked as well (dry run) for what depends on what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.apiserver.review import review
from tidegate.apiserver.reviews import RBAC, WHY_REFUSED
from tidegate.cli.apply import explained, namespace_of, send_document
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import Resource, find_document_kind, find_kind
from tidegate.cli.documents import Document, read_documents
from tidegate.cli.engine import engine_or_none
from tidegate.cli.errors import BadDocument, CliError, Usage
from tidegate.cli.merge3 import without_nulls
from tidegate.cli.options import DataDir, DocumentNamespace, Files, home_of
from tidegate.model.errors import ApiError, NotFound
from tidegate.model.kinds import BY_GVK, SERVED
from tidegate.model.serving_names import SYSTEM_NAMESPACE

ACCEPTED, WARNED, REFUSED = 0, 1, 2
_WORDS = {ACCEPTED: "ok", WARNED: "warning", REFUSED: "refused"}


def check(
    *,
    filename: Files = None,
    namespace: DocumentNamespace = None,
    offline: bool = False,
    data_dir: DataDir = None,
) -> int:
    """Tell what applying documents would say, without applying anything.

    The exit code is 0 when all would be accepted without a word, 1 when there are warnings (a field
    that has no effect here, for one), 2 when a document would be refused.

    Example: tidegate check -f examples/iris/build/iris.yaml

    Parameters
    ----------
    offline
        Ask no engine, also when one runs: defaults everywhere.
    """
    if not filename:
        raise Usage("nothing to check: -f FILE, -f FOLDER or -f -")
    documents = list(read_documents(filename))
    if not documents:
        raise CliError(f"no documents in {', '.join(filename)}")
    home = home_of(data_dir)
    cluster = None if offline or engine_or_none(home) is None else Cluster(home)
    checker = Checker(documents, cluster, namespace)
    worst = ACCEPTED
    for document in documents:
        found = checker.look_at(document)
        for line in found.lines:
            print(f"{_WORDS[found.verdict]:<8} {line}")
        worst = max(worst, found.verdict)
    return worst


@dataclass(frozen=True, slots=True)
class Finding:
    """What there is to say about one document: at least one line."""

    verdict: int
    lines: tuple[str, ...]


class Checker:
    """Looks at documents in the light of the others of the same call: namespaces and settings
    that one brings count for all. `cluster` None: no engine is asked."""

    def __init__(
        self,
        documents: Sequence[Document | BadDocument],
        cluster: Cluster | None,
        namespace: str | None = None,
    ) -> None:
        self._cluster, self._namespace = cluster, namespace
        good = [d for d in documents if isinstance(d, Document)]
        self._coming = {d.name for d in good if (d.api_version, d.kind) == ("v1", "Namespace")}
        self._config = _settings(good, cluster)

    def look_at(self, document: Document | BadDocument) -> Finding:
        """Never raises for what is wrong with the document."""
        if isinstance(document, BadDocument):
            return Finding(REFUSED, (explained(document, document),))
        try:
            resource, warnings = self._review(document)
        except (CliError, ApiError) as why:
            return Finding(REFUSED, (explained(document, why),))
        if warnings:
            lines = tuple(explained(document, CliError(text)) for text in warnings)
            return Finding(WARNED, lines)
        line = document.where("")
        at = f"{document.source}:{line.line if line else 0}"
        return Finding(ACCEPTED, (f"{at}: {resource.qualified}/{document.name}",))

    def _review(self, document: Document) -> tuple[Resource, tuple[str, ...]]:
        if document.api_version.startswith(f"{RBAC}/"):
            raise CliError(f"{document.kind} is not kept: {WHY_REFUSED}")
        resource = find_document_kind(RESOURCES, document.api_version, document.kind)
        inside = namespace_of(document, resource, self._namespace)
        kind = BY_GVK[document.api_version, document.kind]
        warnings = review(
            without_nulls(document.value),
            kind,
            namespace=inside,
            config=lambda name: self._config.get(name, {}),
        )
        return resource, tuple(dict.fromkeys((*warnings, *self._asked(document, inside))))

    def _asked(self, document: Document, inside: str | None) -> tuple[str, ...]:
        """What the engine's server would say. Raises ApiError, CliError."""
        if self._cluster is None:
            return ()
        try:
            sent = send_document(self._cluster, document, namespace=self._namespace, dry_run=True)
        except NotFound:
            if inside in self._coming:  # it will be there by then
                return ()
            raise
        return sent.warnings


#: The kinds that this version knows, as discovery would tell them.
RESOURCES: tuple[Resource, ...] = tuple(
    Resource(
        group=kind.group,
        version=kind.version,
        kind=kind.kind,
        plural=kind.plural,
        singular=kind.singular,
        short_names=kind.short_names,
        categories=kind.categories,
        namespaced=kind.namespaced,
        verbs=(),
    )
    for kind in SERVED
)


def _settings(
    documents: Sequence[Document], cluster: Cluster | None
) -> Mapping[str, Mapping[str, str]]:
    """The data of the config maps that admission reads: the engine's, and the documents' over them."""
    found: dict[str, Mapping[str, str]] = {}
    if cluster is not None:
        kind = find_kind(cluster.resources(), "configmaps")
        for one in cluster.items(kind, SYSTEM_NAMESPACE):
            found[one["metadata"]["name"]] = one.get("data") or {}
    for document in documents:
        if document.kind == "ConfigMap" and document.namespace == SYSTEM_NAMESPACE:
            data = document.value.get("data")
            if isinstance(data, dict) and all(isinstance(v, str) for v in data.values()):
                found[document.name] = data
    return found
