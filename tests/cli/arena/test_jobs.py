"""What is known of jobs, from lists as an API server answers them."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cli.arena.change import changed_documents
from tidegate.cli.arena.jobs import find_jobs
from tidegate.cli.arena.options import Options
from tidegate.cli.arena.submit import apply_documents
from tidegate.cli.discovery import Resource
from tidegate.client.http import Answer
from tidegate.model.errors import BadRequest, NotFound


def resource(group: str, version: str, kind: str, plural: str) -> Resource:
    return Resource(group, version, kind, plural, kind.lower(), (), (), True, ("list",))


class ListsOnly:
    """A cluster with one Deployment. Items of its lists have no apiVersion and kind, as a server's."""

    def __init__(self, deployment: dict[str, Any]) -> None:
        self._deployment = deployment

    def resources(self) -> list[Resource]:
        return [
            resource("apps", "v1", "Deployment", "deployments"),
            resource("", "v1", "Service", "services"),
            resource("", "v1", "Pod", "pods"),
        ]

    def items(self, kind: Resource, namespace: str | None, *, selector: str) -> list[Any]:
        return [self._deployment] if kind.kind == "Deployment" else []


def test_an_update_says_what_kind_of_object_it_changes():
    containers = [{"name": "custom-serving", "image": "python:3"}]
    labels = {"servingType": "custom-serving", "servingName": "cu", "servingVersion": "v1"}
    cluster = ListsOnly(
        {
            "metadata": {"name": "cu-v1-custom-serving", "namespace": "default", "labels": labels},
            "spec": {
                "replicas": 1,
                "template": {"metadata": {}, "spec": {"containers": containers}},
            },
        }
    )
    (job,) = find_jobs(cluster, "default", name="cu")
    (document,) = changed_documents(job, Options(name="cu", replicas=2))
    assert (document["apiVersion"], document["kind"]) == ("apps/v1", "Deployment")
    assert document["spec"]["replicas"] == 2


class RefusesDeployments:
    """A cluster without objects that takes Services and refuses every Deployment; keeps what it wrote."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def resources(self) -> list[Resource]:
        return [
            resource("apps", "v1", "Deployment", "deployments"),
            resource("", "v1", "Service", "services"),
        ]

    def read(self, kind: Resource, namespace: str | None, name: str) -> Any:
        raise NotFound(kind.plural, name)

    def create(
        self, kind: Resource, namespace: str | None, body: Any, *, dry_run: bool = False
    ) -> Answer:
        if kind.kind == "Deployment":
            raise BadRequest("spec.strategy.rollingUpdate.maxUnavailable: may not be 0")
        if not dry_run:
            self.written.append(kind.kind)
        return Answer(body)


def test_a_job_of_which_one_document_is_refused_leaves_nothing_behind():
    cluster = RefusesDeployments()
    documents = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c-1"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "c-1-custom"}},
    ]
    with pytest.raises(BadRequest, match="may not be 0"):
        apply_documents(cluster, documents)
    assert cluster.written == []
