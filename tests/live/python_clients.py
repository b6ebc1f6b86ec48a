"""What people's programs do with Python client libraries: `python_clients.py LIBRARY KUBECONFIG`.

Ends with 0 when all of it worked.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

import pytest


def official(kubeconfig: str) -> None:
    import kubernetes
    import kubernetes.dynamic

    client = kubernetes.client
    api = kubernetes.config.new_client_from_config(kubeconfig)
    with api:
        maps, apps = client.CoreV1Api(api), client.AppsV1Api(api)
        meta = client.V1ObjectMeta(name="official", labels={"by": "official"})
        made = maps.create_namespaced_config_map(
            "default", client.V1ConfigMap(metadata=meta, data={"a": "1"})
        )
        maps.patch_namespaced_config_map("official", "default", {"data": {"b": "2"}})
        changes = kubernetes.watch.Watch().stream(
            maps.list_namespaced_config_map,
            "default",
            label_selector="by=official",
            resource_version=made.metadata.resource_version,
            timeout_seconds=10,
        )
        (change,) = islice(changes, 1)
        assert (change["type"], change["object"].data) == ("MODIFIED", {"a": "1", "b": "2"})

        with pytest.raises(client.ApiException, match="Expired: too old resource version") as old:
            next(
                kubernetes.watch.Watch().stream(
                    maps.list_namespaced_config_map, "default", resource_version="1"
                )
            )
        assert old.value.status == 410

        apps.create_namespaced_deployment("default", _deployment(client))
        side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s"}]}}}}
        patched = apps.patch_namespaced_deployment("official", "default", side)
        assert {c.name for c in patched.spec.template.spec.containers} == {"main", "side"}

        dynamic = kubernetes.dynamic.DynamicClient(api)
        kind = dynamic.resources.get(api_version="v1", kind="ConfigMap")
        intent = _intent("official", a="2")
        with pytest.raises(
            kubernetes.dynamic.exceptions.ConflictError, match="Apply failed with 1 conflict"
        ):
            kind.server_side_apply(body=intent, namespace="default", field_manager="me")
        taken = kind.server_side_apply(
            body=intent, namespace="default", field_manager="me", force_conflicts=True
        )
        assert taken.data.to_dict() == {"a": "2", "b": "2"}


def with_kr8s(kubeconfig: str) -> None:
    import kr8s

    api = kr8s.api(kubeconfig=kubeconfig)
    made = kr8s.objects.ConfigMap(_intent("kr8s", a="1"), api=api)
    made.create()
    made.patch({"data": {"b": "2"}})
    made.label({"by": "kr8s"})
    (found,) = api.get("configmaps", namespace="default", label_selector={"by": "kr8s"})
    assert found.raw["data"] == {"a": "1", "b": "2"}
    watch = api.watch("configmaps", namespace="default", label_selector={"by": "kr8s"})
    assert [(kind, obj.name) for kind, obj in islice(watch, 1)] == [("ADDED", "kr8s")]
    made.delete()
    assert not made.exists()


def with_lightkube(kubeconfig: str) -> None:
    import lightkube
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    client = lightkube.Client(config=lightkube.KubeConfig.from_file(kubeconfig), field_manager="me")

    def config(**data: str) -> Any:
        return ConfigMap(metadata=ObjectMeta(name="light", namespace="default"), data=data)

    assert client.apply(config(a="1", b="1")).data == {"a": "1", "b": "1"}
    assert client.apply(config(a="1")).data == {"a": "1"}
    with pytest.raises(lightkube.ApiError) as refused:
        client.apply(config(a="2"), field_manager="other")
    assert refused.value.status.message == (
        'Apply failed with 1 conflict: conflict with "me": .data.a'
    )
    assert client.apply(config(a="2"), field_manager="other", force=True).data == {"a": "2"}
    with pytest.raises(lightkube.ApiError) as refused:
        next(client.watch(ConfigMap, namespace="default", resource_version="1", server_timeout=2))
    assert refused.value.status.code == 410
    assert "light" in [m.metadata.name for m in client.list(ConfigMap, chunk_size=1)]

    service = create_namespaced_resource("serving.knative.dev", "v1", "Service", "services")
    intent = {"template": {"spec": {"containers": [{"image": "greeter:1"}]}}}
    for _ in range(2):
        made = client.apply(
            service(metadata={"name": "light", "namespace": "default"}, spec=intent)
        )
    assert made.metadata.generation == 1


def _intent(name: str, **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _deployment(client: Any) -> Any:
    labels = {"app": "official"}
    pod = client.V1PodSpec(containers=[client.V1Container(name="main", image="nginx")])
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name="official"),
        spec=client.V1DeploymentSpec(
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels), spec=pod
            ),
        ),
    )


if __name__ == "__main__":
    {"kubernetes": official, "kr8s": with_kr8s, "lightkube": with_lightkube}[sys.argv[1]](
        sys.argv[2]
    )
