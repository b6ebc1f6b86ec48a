"""What is known of jobs, from lists as an API server answers them."""

from __future__ import annotations

from typing import Any

from tidegate.cli.arena.change import changed_documents
from tidegate.cli.arena.jobs import find_jobs
from tidegate.cli.arena.options import Options
from tidegate.cli.discovery import Resource


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
