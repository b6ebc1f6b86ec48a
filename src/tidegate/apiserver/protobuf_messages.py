"""The protobuf messages that are read: field numbers, names and kinds.

Source: the generated.proto files of k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.apiserver.protobuf_batch import BATCH, PODS
from tidegate.apiserver.protobuf_field import Field, map_of, texts

_TEXT = "text"
_OWN: Mapping[str, Mapping[int, Field]] = {
    "ObjectMeta": {
        1: Field("name", _TEXT),
        2: Field("generateName", _TEXT),
        3: Field("namespace", _TEXT),
        4: Field("selfLink", _TEXT),
        5: Field("uid", _TEXT),
        6: Field("resourceVersion", _TEXT),
        7: Field("generation", "int"),
        8: Field("creationTimestamp", "time"),
        11: map_of("labels"),
        12: map_of("annotations"),
        13: Field("ownerReferences", "OwnerReference", many=True),
        14: texts("finalizers"),
    },
    "Namespace": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "NamespaceSpec"),
        3: Field("status", "NamespaceStatus"),
    },
    "NamespaceSpec": {1: texts("finalizers")},
    "NamespaceStatus": {1: Field("phase", _TEXT)},
    "ConfigMap": {
        1: Field("metadata", "ObjectMeta"),
        2: map_of("data"),
        3: map_of("binaryData", "bytes"),
        4: Field("immutable", "bool", zero=True),
    },
    "Secret": {
        1: Field("metadata", "ObjectMeta"),
        2: map_of("data", "bytes"),
        3: Field("type", _TEXT),
        4: map_of("stringData"),
        5: Field("immutable", "bool", zero=True),
    },
    "Service": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "ServiceSpec"),
        3: Field("status", "ServiceStatus"),
    },
    "ServiceSpec": {
        1: Field("ports", "ServicePort", many=True),
        2: map_of("selector"),
        3: Field("clusterIP", _TEXT),
        4: Field("type", _TEXT),
        5: texts("externalIPs"),
        7: Field("sessionAffinity", _TEXT),
        10: Field("externalName", _TEXT),
    },
    "ServiceStatus": {1: Field("loadBalancer", "Nothing")},
    "ServicePort": {
        1: Field("name", _TEXT),
        2: Field("protocol", _TEXT),
        3: Field("port", "int"),
        4: Field("targetPort", "int-or-text"),
        5: Field("nodePort", "int"),
    },
    "Deployment": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "DeploymentSpec"),
        3: Field("status", "DeploymentStatus"),
    },
    "DeploymentSpec": {
        1: Field("replicas", "int", zero=True),
        2: Field("selector", "LabelSelector"),
        3: Field("template", "PodTemplateSpec"),
        4: Field("strategy", "DeploymentStrategy"),
        5: Field("minReadySeconds", "int"),
        6: Field("revisionHistoryLimit", "int", zero=True),
        7: Field("paused", "bool"),
        9: Field("progressDeadlineSeconds", "int", zero=True),
    },
    "DeploymentStatus": {n: Field("", "int") for n in (1, 2, 3, 4, 5, 7)},
    "DeploymentStrategy": {1: Field("type", _TEXT)},
    "LabelSelector": {1: map_of("matchLabels")},
    "PodTemplateSpec": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "PodSpec")},
    "PodSpec": {
        2: Field("containers", "Container", many=True),
        3: Field("restartPolicy", _TEXT),
        4: Field("terminationGracePeriodSeconds", "int", zero=True),
        8: Field("serviceAccountName", _TEXT),
        10: Field("nodeName", _TEXT),
        20: Field("initContainers", "Container", many=True),
    },
    "Container": {
        1: Field("name", _TEXT),
        2: Field("image", _TEXT),
        3: texts("command"),
        4: texts("args"),
        5: Field("workingDir", _TEXT),
        6: Field("ports", "ContainerPort", many=True),
        7: Field("env", "EnvVar", many=True),
        8: Field("resources", "ResourceRequirements"),
        13: Field("terminationMessagePath", _TEXT),
        14: Field("imagePullPolicy", _TEXT),
    },
    "ContainerPort": {
        1: Field("name", _TEXT),
        2: Field("hostPort", "int"),
        3: Field("containerPort", "int"),
        4: Field("protocol", _TEXT),
        5: Field("hostIP", _TEXT),
    },
    "EnvVar": {1: Field("name", _TEXT), 2: Field("value", _TEXT)},
    "ResourceRequirements": {1: map_of("limits", "quantity"), 2: map_of("requests", "quantity")},
    "Quantity": {1: Field("string", _TEXT)},
    "Time": {1: Field("seconds", "int"), 2: Field("nanos", "int")},
    "IntOrString": {
        1: Field("type", "int"),
        2: Field("intVal", "int"),
        3: Field("strVal", _TEXT),
    },
    "ServiceAccount": {
        1: Field("metadata", "ObjectMeta"),
        4: Field("automountServiceAccountToken", "bool", zero=True),
    },
    "ResourceQuota": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "ResourceQuotaSpec"),
        3: Field("status", "Nothing"),
    },
    "ResourceQuotaSpec": {1: map_of("hard", "quantity"), 2: texts("scopes")},
    "Ingress": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "IngressSpec"),
        3: Field("status", "ServiceStatus"),
    },
    "IngressSpec": {
        1: Field("defaultBackend", "IngressBackend"),
        2: Field("tls", "IngressTLS", many=True),
        3: Field("rules", "IngressRule", many=True),
        4: Field("ingressClassName", _TEXT),
    },
    "IngressBackend": {4: Field("service", "IngressServiceBackend")},
    "IngressServiceBackend": {1: Field("name", _TEXT), 2: Field("port", "ServiceBackendPort")},
    "ServiceBackendPort": {1: Field("name", _TEXT), 2: Field("number", "int")},
    "IngressTLS": {1: texts("hosts"), 2: Field("secretName", _TEXT)},
    "IngressRule": {1: Field("host", _TEXT), 2: Field("", "IngressRuleValue", inline=True)},
    "IngressRuleValue": {1: Field("http", "HTTPIngressRuleValue")},
    "HTTPIngressRuleValue": {1: Field("paths", "HTTPIngressPath", many=True)},
    "HTTPIngressPath": {
        1: Field("path", _TEXT),
        2: Field("backend", "IngressBackend"),
        3: Field("pathType", _TEXT),
    },
    "HorizontalPodAutoscaler": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "AutoscalerSpec"),
        3: Field("status", "AutoscalerStatus"),
    },
    "AutoscalerSpec": {
        1: Field("scaleTargetRef", "CrossVersionObjectReference"),
        2: Field("minReplicas", "int", zero=True),
        3: Field("maxReplicas", "int"),
        4: Field("targetCPUUtilizationPercentage", "int", zero=True),
    },
    "AutoscalerV2": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "AutoscalerSpecV2"),
        3: Field("status", "AutoscalerStatus"),
    },
    "AutoscalerSpecV2": {
        1: Field("scaleTargetRef", "CrossVersionObjectReference"),
        2: Field("minReplicas", "int", zero=True),
        3: Field("maxReplicas", "int"),
        4: Field("metrics", "MetricSpec", many=True),
    },
    "MetricSpec": {1: Field("type", _TEXT), 4: Field("resource", "ResourceMetricSource")},
    "ResourceMetricSource": {1: Field("name", _TEXT), 2: Field("target", "MetricTarget")},
    "MetricTarget": {
        1: Field("type", _TEXT),
        2: Field("value", "quantity"),
        3: Field("averageValue", "quantity"),
        4: Field("averageUtilization", "int", zero=True),
    },
    "AutoscalerStatus": {n: Field("", "int") for n in (3, 4)},
    "CrossVersionObjectReference": {
        1: Field("kind", _TEXT),
        2: Field("name", _TEXT),
        3: Field("apiVersion", _TEXT),
    },
    "DeleteOptions": {
        1: Field("gracePeriodSeconds", "int", zero=True),
        2: Field("preconditions", "Preconditions"),
        3: Field("orphanDependents", "bool", zero=True),
        4: Field("propagationPolicy", _TEXT),
        5: texts("dryRun"),
    },
    "Preconditions": {1: Field("uid", _TEXT), 2: Field("resourceVersion", _TEXT)},
    "Eviction": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("deleteOptions", "DeleteOptions"),
    },
    "SelfSubjectAccessReview": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "AccessSpec"),
        3: Field("status", "AccessStatus"),
    },
    "AccessSpec": {
        1: Field("resourceAttributes", "ResourceAttributes"),
        2: Field("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: Field("namespace", _TEXT),
        2: Field("verb", _TEXT),
        3: Field("group", _TEXT),
        4: Field("version", _TEXT),
        5: Field("resource", _TEXT),
        6: Field("subresource", _TEXT),
        7: Field("name", _TEXT),
    },
    "NonResourceAttributes": {1: Field("path", _TEXT), 2: Field("verb", _TEXT)},
    "AccessStatus": {
        1: Field("allowed", "bool"),
        2: Field("reason", _TEXT),
        3: Field("evaluationError", _TEXT),
        4: Field("denied", "bool"),
    },
    "SelfSubjectRulesReview": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "RulesSpec"),
        3: Field("status", "RulesStatus"),
    },
    "RulesSpec": {1: Field("namespace", _TEXT)},
    "RulesStatus": {3: Field("incomplete", "bool"), 4: Field("evaluationError", _TEXT)},
    "SelfSubjectReview": {1: Field("metadata", "ObjectMeta"), 2: Field("status", "WhoStatus")},
    "WhoStatus": {1: Field("userInfo", "Who")},
    "Who": {1: Field("username", _TEXT), 2: Field("uid", _TEXT)},
    "Nothing": {},
    "Unknown": {
        1: Field("typeMeta", "TypeMeta"),
        2: Field("raw", "raw"),
        3: Field("contentEncoding", _TEXT),
        4: Field("contentType", _TEXT),
    },
    "TypeMeta": {1: Field("apiVersion", _TEXT), 2: Field("kind", _TEXT)},
}
MESSAGES: Mapping[str, Mapping[int, Field]] = {**PODS, **BATCH} | {
    name: {**known, **PODS.get(name, {})} for name, known in _OWN.items()
}
#: (apiVersion, kind) of what may come: the message's name is the kind's but for these.
VARIANTS: Mapping[tuple[str, str], str] = {
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "AutoscalerV2",
}
READABLE = frozenset(
    [
        "ConfigMap",
        "CronJob",
        "DeleteOptions",
        "Deployment",
        "Eviction",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Job",
        "Namespace",
        "ResourceQuota",
        "Secret",
        "SelfSubjectAccessReview",
        "SelfSubjectReview",
        "SelfSubjectRulesReview",
        "Service",
        "ServiceAccount",
    ]
)
