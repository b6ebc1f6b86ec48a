"""What documents say to Alibaba Cloud's elastic instances (ECI), in words for their author.

There are no elastic instances here: every pod runs on this machine. Such annotations and labels are kept
and written on, so that the same document does what it says on a cluster that has them.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.policy.standby import RESERVE_KEYS

BURST = "alibabacloud.com/burst-resource"
_LABELS = (
    "alibabacloud.com/eci",
    "alibabacloud.com/acs",
    "alibabacloud.com/compute-class",
    "alibabacloud.com/fluid-sidecar-target",
)
_PREFIXES = ("k8s.aliyun.com/eci-", "knative.aliyun.com/reserve-instance")
_KEPT = "kept, but it only has an effect on a cluster with elastic instances"


def elastic_notes(annotations: Mapping[str, str]) -> list[str]:
    """Of a pod's (or its template's) annotations: one sentence for each without an effect."""
    notes = []
    for key in sorted(annotations):
        if key == BURST:
            where = "this machine has no elastic instances, its pods run on the machine itself"
            notes.append(f"{key}: {annotations[key]}: {where}")
        elif key.startswith(_PREFIXES) and key not in RESERVE_KEYS:
            notes.append(f"{key}: {_KEPT}")
    return notes


def elastic_label_notes(labels: Mapping[str, str]) -> list[str]:
    """The same of labels."""
    return [f"{key}: {_KEPT}" for key in _LABELS if key in labels]
