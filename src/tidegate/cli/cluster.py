"""The commands' way to the API server: which paths, queries and patches they ask it for.

The connection itself (kubeconfig, TLS, token, errors rebuilt from Status) is `client.http`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tidegate.cli.discovery import Resource, find_kind, resources_of
from tidegate.client.http import Access, Answer, Client, read_kubeconfig
from tidegate.kit.home import Home
from tidegate.model.errors import ApiError, NotFound

Json = dict[str, Any]
_MANAGER = "tidegate"
_READY_S = 2.0  # /readyz answers at once or not at all


class _TableClient(Client):
    """Asks for tables, as kubectl's `get` does."""

    def _headers(self) -> dict[str, str]:
        table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        return super()._headers() | {"Accept": table}


class Cluster:
    """One engine's API. Every method raises `ApiError` as the server means it, and `client.http.NoApi` when
    nobody answers."""

    def __init__(self, home: Home) -> None:
        self._open(read_kubeconfig(home.kubeconfig))

    @classmethod
    def of_kubeconfig(cls, path: Path) -> Cluster:
        """The cluster of a kubeconfig's current context. Raises as `read_kubeconfig`."""
        made = cls.__new__(cls)
        made._open(read_kubeconfig(path))
        return made

    def _open(self, access: Access) -> None:
        self._access, self._http, self._tables = access, Client(access), _TableClient(access)
        self._known: list[Resource] | None = None

    def ready(self) -> bool:
        """Whether the server answers and says that it is ready."""
        try:
            with Client(self._access, timeout_s=_READY_S) as client:
                client.get("/readyz")
        except ApiError:
            return False
        return True

    def resources(self) -> list[Resource]:
        """The kinds it has, in discovery's order (asked once)."""
        if self._known is None:
            versions = ["v1"]
            for group in self._http.get("/apis")["groups"]:
                versions += [one["groupVersion"] for one in group["versions"]]
            self._known = []
            for version in versions:
                root = "/apis" if "/" in version else "/api"
                self._known += resources_of(
                    version, self._http.get(f"{root}/{version}")["resources"]
                )
        return self._known

    def read(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """One object. Raises `NotFound`."""
        found: Json = self._http.get(resource.path(namespace, name))
        return found

    def items(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        selector: str | None = None,
        fields: str | None = None,
    ) -> list[Json]:
        """The objects that match; `namespace` None: all."""
        query = _selection(selector, fields)
        found: list[Json] = self._http.get(resource.path(namespace), query)["items"]
        return found

    def table(
        self,
        resource: Resource,
        namespace: str | None,
        name: str = "",
        *,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Json:
        """A Table of one object, or of all that match."""
        path = resource.path(namespace, name)
        found: Json = self._tables.get(path, _selection(selector, fields))
        return found

    def create(
        self, resource: Resource, namespace: str | None, obj: Json, *, dry_run: bool = False
    ) -> Answer:
        """The object as stored, and warnings. Raises `AlreadyExists`, `Invalid`, ..."""
        return self._http.create(resource.path(namespace), obj, _writing(dry_run))

    def merge(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Json,
        *,
        dry_run: bool = False,
    ) -> Answer:
        """Apply a JSON merge patch; the object as stored, and warnings."""
        return self._http.patch(resource.path(namespace, name), patch, _writing(dry_run))

    def delete(
        self, resource: Resource, namespace: str | None, name: str, *, grace_s: int | None = None
    ) -> None:
        """Ask for deletion; the object may live on for its grace. Raises `NotFound`."""
        self._http.delete(resource.path(namespace, name), grace_s=grace_s)

    def watch_table(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        version: str,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Iterator[Json]:
        """A Table for each change after `version`, until the server ends the watch.

        Raises `Expired` when the server no longer knows what came after `version`.
        """
        query = _selection(selector, fields) | {"resourceVersion": version}
        for type_, table in self._tables.watch(resource.path(namespace), query):
            if type_ != "BOOKMARK":
                yield table

    def log(self, namespace: str, pod: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """A pod's log as it comes."""
        return self._http.lines(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query)

    def events(self, resource: Resource, obj: Json) -> list[Json]:
        """The events about an object; none where the server keeps no events."""
        meta = obj["metadata"]
        about = {"involvedObject.name": meta["name"], "involvedObject.kind": resource.kind}
        if meta.get("uid"):
            about["involvedObject.uid"] = meta["uid"]
        fields = ",".join(f"{key}={value}" for key, value in about.items())
        try:
            kind = find_kind(self.resources(), "events")
            return self.items(kind, meta.get("namespace"), fields=fields)
        except NotFound:
            return []


def _writing(dry_run: bool) -> dict[str, str]:
    query = {"fieldManager": _MANAGER, "fieldValidation": "Strict"}
    return query | ({"dryRun": "All"} if dry_run else {})


def _selection(selector: str | None, fields: str | None) -> dict[str, str]:
    query = {}
    if selector:
        query["labelSelector"] = selector
    if fields:
        query["fieldSelector"] = fields
    return query
