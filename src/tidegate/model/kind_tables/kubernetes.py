"""Kubernetes' own kinds."""

from __future__ import annotations

from tidegate.model import (
    apps,
    autoscaling,
    autoscaling_versions,
    core,
    endpoints,
    ingresses,
    pods,
)
from tidegate.model.accounts import ServiceAccount
from tidegate.model.jobs import CronJob, Job
from tidegate.model.kind import Form, Kind, in_version
from tidegate.model.quotas import LimitRange, ResourceQuota
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass

_AUTOSCALER = Kind(
    autoscaling.HorizontalPodAutoscaler,
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    "horizontalpodautoscaler",
    ("hpa",),
    ("all",),
)

KINDS: tuple[Kind, ...] = (
    Kind(
        core.Namespace, "", "v1", "Namespace", "namespaces", "namespace", ("ns",), namespaced=False
    ),
    Kind(core.Node, "", "v1", "Node", "nodes", "node", ("no",), namespaced=False),
    Kind(pods.Pod, "", "v1", "Pod", "pods", "pod", ("po",), ("all",)),
    Kind(core.Service, "", "v1", "Service", "services", "service", ("svc",), ("all",)),
    Kind(
        core.ConfigMap,
        "",
        "v1",
        "ConfigMap",
        "configmaps",
        "configmap",
        ("cm",),
        has_status=False,
        has_spec=False,
    ),
    Kind(core.Secret, "", "v1", "Secret", "secrets", "secret", has_status=False, has_spec=False),
    Kind(
        ResourceQuota,
        "",
        "v1",
        "ResourceQuota",
        "resourcequotas",
        "resourcequota",
        ("quota",),
        has_spec=False,
    ),
    Kind(
        LimitRange,
        "",
        "v1",
        "LimitRange",
        "limitranges",
        "limitrange",
        ("limits",),
        has_status=False,
        has_spec=False,
    ),
    Kind(
        core.Event, "", "v1", "Event", "events", "event", ("ev",), has_status=False, has_spec=False
    ),
    Kind(
        PersistentVolume,
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "persistentvolume",
        ("pv",),
        namespaced=False,
        has_spec=False,  # as Kubernetes: its objects carry no generation
    ),
    Kind(
        PersistentVolumeClaim,
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        ("pvc",),
        has_spec=False,
    ),
    Kind(
        ServiceAccount,
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
        ("sa",),
        has_status=False,
        has_spec=False,
    ),
    Kind(
        StorageClass,
        "storage.k8s.io",
        "v1",
        "StorageClass",
        "storageclasses",
        "storageclass",
        ("sc",),
        namespaced=False,
        has_status=False,
        has_spec=False,
    ),
    Kind(
        apps.Deployment,
        "apps",
        "v1",
        "Deployment",
        "deployments",
        "deployment",
        ("deploy",),
        ("all",),
        has_scale=True,
    ),
    Kind(
        apps.ReplicaSet,
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        "replicaset",
        ("rs",),
        ("all",),
        has_scale=True,
    ),
    Kind(Job, "batch", "v1", "Job", "jobs", "job", categories=("all",)),
    Kind(CronJob, "batch", "v1", "CronJob", "cronjobs", "cronjob", ("cj",), ("all",)),
    _AUTOSCALER,
    Kind(
        endpoints.Endpoints,
        "",
        "v1",
        "Endpoints",
        "endpoints",
        "endpoints",
        ("ep",),
        has_status=False,
        has_spec=False,
    ),
    Kind(
        endpoints.EndpointSlice,
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        "endpointslice",
        has_status=False,
        has_spec=False,
    ),
    # Before Knative's own Ingress: the first group has the name that people type.
    Kind(
        ingresses.Ingress,
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        "ingress",
        ("ing",),
    ),
    Kind(
        ingresses.IngressClass,
        "networking.k8s.io",
        "v1",
        "IngressClass",
        "ingressclasses",
        "ingressclass",
        namespaced=False,
        has_status=False,
    ),
)

VERSIONS: tuple[Kind, ...] = (
    in_version(
        _AUTOSCALER,
        "v1",
        Form(
            autoscaling_versions.V1Autoscaler,
            autoscaling_versions.v1_up,
            autoscaling_versions.v1_down,
        ),
    ),
    in_version(
        _AUTOSCALER,
        "v2beta2",
        deprecated=autoscaling_versions.deprecated("v2beta2", "1.23", "1.26"),
    ),
    in_version(
        _AUTOSCALER,
        "v2beta1",
        Form(
            autoscaling_versions.V2beta1Autoscaler,
            autoscaling_versions.v2beta1_up,
            autoscaling_versions.v2beta1_down,
            autoscaling_versions.deprecated("v2beta1", "1.22", "1.25"),
        ),
    ),
)
