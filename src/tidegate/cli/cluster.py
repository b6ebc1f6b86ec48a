"""The commands' way to the API server: paths, queries and patches of the Kubernetes API.

The connection itself (kubeconfig, TLS, token, errors rebuilt from Status) is `client.http`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.cli.discovery import Resource, find_kind, resources_of
from tidegate.client.http import HttpClient, NoApi
from tidegate.kit.home import Home
from tidegate.model.errors import ApiError, NotFound

Json = dict[str, Any]
_MANAGER = "tidegate"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_MERGE = "application/merge-patch+json"

#: The API server does not answer (now): no engine, or its control plane is being restarted.
Unreachable = NoApi


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write came to; `warnings` are the server's."""

    value: Json
    warnings: tuple[str, ...] = ()


class Cluster:
    """One engine's API. Every method raises `ApiError` as the server means it, or `Unreachable`."""

    def __init__(self, home: Home) -> None:
        self._http = HttpClient(home.kubeconfig)
        self._known: list[Resource] | None = None

    def ready(self) -> bool:
        """Whether the server answers and says that it is ready."""
        try:
            self._http.request("GET", "/readyz")
        except (ApiError, Unreachable):
            return False
        return True

    def resources(self) -> list[Resource]:
        """The kinds it has, in discovery's order (asked once)."""
        if self._known is None:
            versions = ["v1"]
            for group in self._json("GET", "/apis")["groups"]:
                versions += [one["groupVersion"] for one in group["versions"]]
            self._known = []
            for version in versions:
                root = "/apis" if "/" in version else "/api"
                listed = self._json("GET", f"{root}/{version}")["resources"]
                self._known += resources_of(version, listed)
        return self._known

    def read(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """One object. Raises `NotFound`."""
        return self._json("GET", resource.path(namespace, name))

    def list(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Json:
        """The list object; `namespace` None: all."""
        return self._json("GET", resource.path(namespace), _selection(selector, fields))

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
        query = _selection(selector, fields)
        return self._json("GET", resource.path(namespace, name), query, accept=_TABLE)

    def create(
        self, resource: Resource, namespace: str | None, obj: Json, *, dry_run: bool = False
    ) -> Answer:
        """The object as stored, and warnings. Raises `AlreadyExists`, `Invalid`, ..."""
        return self._write("POST", resource.path(namespace), obj, "application/json", dry_run)

    def merge(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Json,
        *,
        dry_run: bool = False,
    ) -> Answer:
        """A JSON merge patch."""
        return self._write("PATCH", resource.path(namespace, name), patch, _MERGE, dry_run)

    def delete(
        self, resource: Resource, namespace: str | None, name: str, *, grace_s: int | None = None
    ) -> None:
        """Ask for deletion; the object may live on for its grace. Raises `NotFound`."""
        options: Json = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        self._http.request("DELETE", resource.path(namespace, name), body=_encoded(options))

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        version: str,
        selector: str | None = None,
        fields: str | None = None,
        table: bool = False,
    ) -> Iterator[Json]:
        """Events after `version`, until the server ends the watch. Raises `Expired`."""
        query = _selection(selector, fields) | {"watch": "true", "resourceVersion": version}
        accept = _TABLE if table else "application/json"
        rest = b""
        for chunk in self._http.stream(resource.path(namespace), query=query, accept=accept):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)

    def log(self, namespace: str, pod: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """A pod's log in pieces as they come."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        return self._http.stream(path, query=query, accept="*/*")

    def events(self, resource: Resource, obj: Json) -> list[Json]:
        """The events about an object; none where the server keeps no events."""
        meta = obj["metadata"]
        about = {"involvedObject.name": meta["name"], "involvedObject.kind": resource.kind}
        if meta.get("uid"):
            about["involvedObject.uid"] = meta["uid"]
        fields = ",".join(f"{key}={value}" for key, value in about.items())
        try:
            kind = find_kind(self.resources(), "events")
            found: list[Json] = self.list(kind, meta.get("namespace"), fields=fields)["items"]
        except NotFound:
            return []
        return found

    def _write(self, method: str, path: str, body: Json, media: str, dry_run: bool) -> Answer:
        query = {"fieldManager": _MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        reply = self._http.request(
            method, path, query=query, body=_encoded(body), content_type=media
        )
        return Answer(json.loads(reply.body), tuple(reply.warnings))

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
    ) -> Json:
        found: Json = json.loads(
            self._http.request(method, path, query=query or {}, accept=accept).body
        )
        return found


def _encoded(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _selection(selector: str | None, fields: str | None) -> dict[str, str]:
    query = {}
    if selector:
        query["labelSelector"] = selector
    if fields:
        query["fieldSelector"] = fields
    return query
