"""The protobuf messages of batch/v1, and what a Job's pods may have in them: `kubectl create job` sends
no more than a container, `--from=cronjob/NAME` the whole template of the CronJob.

Source: the generated.proto files of k8s.io/api/batch/v1 and k8s.io/api/core/v1.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.apiserver.protobuf_field import Field, map_of

_TEXT = "text"
BATCH: Mapping[str, Mapping[int, Field]] = {
    "Job": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "JobSpec"),
        3: Field("status", "JobStatus"),
    },
    "JobSpec": {
        1: Field("parallelism", "int", zero=True),
        2: Field("completions", "int", zero=True),
        3: Field("activeDeadlineSeconds", "int", zero=True),
        4: Field("selector", "LabelSelector"),
        5: Field("manualSelector", "bool", zero=True),
        6: Field("template", "PodTemplateSpec"),
        7: Field("backoffLimit", "int", zero=True),
        8: Field("ttlSecondsAfterFinished", "int", zero=True),
        9: Field("completionMode", _TEXT),
        10: Field("suspend", "bool", zero=True),
        11: Field("podFailurePolicy", "PodFailurePolicy"),
        12: Field("backoffLimitPerIndex", "int", zero=True),
        13: Field("maxFailedIndexes", "int", zero=True),
        14: Field("podReplacementPolicy", _TEXT),
        15: Field("managedBy", _TEXT),
        16: Field("successPolicy", "SuccessPolicy"),
    },
    "JobStatus": {n: Field("", "int") for n in (4, 5, 6)} | {8: Field("", "Nothing")},
    "PodFailurePolicy": {1: Field("rules", "PodFailurePolicyRule", many=True)},
    "PodFailurePolicyRule": {
        1: Field("action", _TEXT),
        2: Field("onExitCodes", "OnExitCodes"),
        3: Field("onPodConditions", "OnPodCondition", many=True),
    },
    "OnExitCodes": {
        1: Field("containerName", _TEXT),
        2: Field("operator", _TEXT),
        3: Field("values", "int", many=True, zero=True),
    },
    "OnPodCondition": {1: Field("type", _TEXT), 2: Field("status", _TEXT)},
    "SuccessPolicy": {1: Field("rules", "SuccessPolicyRule", many=True)},
    "SuccessPolicyRule": {
        1: Field("succeededIndexes", _TEXT),
        2: Field("succeededCount", "int", zero=True),
    },
    "CronJob": {
        1: Field("metadata", "ObjectMeta"),
        2: Field("spec", "CronJobSpec"),
        3: Field("status", "Nothing"),
    },
    "CronJobSpec": {
        1: Field("schedule", _TEXT),
        2: Field("startingDeadlineSeconds", "int", zero=True),
        3: Field("concurrencyPolicy", _TEXT),
        4: Field("suspend", "bool", zero=True),
        5: Field("jobTemplate", "JobTemplateSpec"),
        6: Field("successfulJobsHistoryLimit", "int", zero=True),
        7: Field("failedJobsHistoryLimit", "int", zero=True),
        8: Field("timeZone", _TEXT),
    },
    "JobTemplateSpec": {1: Field("metadata", "ObjectMeta"), 2: Field("spec", "JobSpec")},
    "OwnerReference": {
        1: Field("kind", _TEXT),
        3: Field("name", _TEXT),
        4: Field("uid", _TEXT),
        5: Field("apiVersion", _TEXT),
        6: Field("controller", "bool", zero=True),
        7: Field("blockOwnerDeletion", "bool", zero=True),
    },
}
#: What is known of pods beside `protobuf_messages`.
PODS: Mapping[str, Mapping[int, Field]] = {
    "PodSpec": {
        1: Field("volumes", "Volume", many=True),
        5: Field("activeDeadlineSeconds", "int", zero=True),
        6: Field("dnsPolicy", _TEXT),
        7: map_of("nodeSelector"),
        9: Field("serviceAccount", _TEXT),
        19: Field("schedulerName", _TEXT),
        21: Field("automountServiceAccountToken", "bool", zero=True),
        30: Field("enableServiceLinks", "bool", zero=True),
    },
    "Container": {
        9: Field("volumeMounts", "VolumeMount", many=True),
        19: Field("envFrom", "EnvFromSource", many=True),
        20: Field("terminationMessagePolicy", _TEXT),
        24: Field("restartPolicy", _TEXT),
    },
    "EnvVar": {3: Field("valueFrom", "EnvVarSource")},
    "EnvVarSource": {
        1: Field("fieldRef", "ObjectFieldSelector"),
        2: Field("resourceFieldRef", "ResourceFieldSelector"),
        3: Field("configMapKeyRef", "KeySelector"),
        4: Field("secretKeyRef", "KeySelector"),
    },
    "ObjectFieldSelector": {1: Field("apiVersion", _TEXT), 2: Field("fieldPath", _TEXT)},
    "ResourceFieldSelector": {
        1: Field("containerName", _TEXT),
        2: Field("resource", _TEXT),
        3: Field("divisor", "quantity"),
    },
    "LocalObjectReference": {1: Field("name", _TEXT)},
    "KeySelector": {
        1: Field("", "LocalObjectReference", inline=True),
        2: Field("key", _TEXT),
        3: Field("optional", "bool", zero=True),
    },
    "EnvFromSource": {
        1: Field("prefix", _TEXT),
        2: Field("configMapRef", "EnvSource"),
        3: Field("secretRef", "EnvSource"),
    },
    "EnvSource": {
        1: Field("", "LocalObjectReference", inline=True),
        2: Field("optional", "bool", zero=True),
    },
    "VolumeMount": {
        1: Field("name", _TEXT),
        2: Field("readOnly", "bool"),
        3: Field("mountPath", _TEXT),
        4: Field("subPath", _TEXT),
        5: Field("mountPropagation", _TEXT),
        6: Field("subPathExpr", _TEXT),
    },
    "Volume": {1: Field("name", _TEXT), 2: Field("", "VolumeSource", inline=True)},
    "VolumeSource": {
        1: Field("hostPath", "HostPathVolumeSource"),
        2: Field("emptyDir", "EmptyDirVolumeSource"),
        6: Field("secret", "SecretVolumeSource"),
        10: Field("persistentVolumeClaim", "ClaimVolumeSource"),
        19: Field("configMap", "ConfigMapVolumeSource"),
    },
    "HostPathVolumeSource": {1: Field("path", _TEXT), 2: Field("type", _TEXT)},
    "EmptyDirVolumeSource": {1: Field("medium", _TEXT), 2: Field("sizeLimit", "quantity")},
    "SecretVolumeSource": {
        1: Field("secretName", _TEXT),
        2: Field("items", "KeyToPath", many=True),
        3: Field("defaultMode", "int", zero=True),
        4: Field("optional", "bool", zero=True),
    },
    "ConfigMapVolumeSource": {
        1: Field("", "LocalObjectReference", inline=True),
        2: Field("items", "KeyToPath", many=True),
        3: Field("defaultMode", "int", zero=True),
        4: Field("optional", "bool", zero=True),
    },
    "KeyToPath": {
        1: Field("key", _TEXT),
        2: Field("path", _TEXT),
        3: Field("mode", "int", zero=True),
    },
    "ClaimVolumeSource": {1: Field("claimName", _TEXT), 2: Field("readOnly", "bool")},
}
