"""What a container may ask of its own pod, in its environment and in volumes.

Source: kubernetes pkg/apis/core/validation/validation.go (`validateObjectFieldSelector`,
`validateContainerResourceFieldSelector`, `validateDownwardAPIVolumeFile`, `validateProjectionSources`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from tidegate.model.admission.problems import (
    Problems,
    forbidden,
    invalid,
    not_supported,
    required,
)
from tidegate.model.admission.resources import check_quantity
from tidegate.model.containers import ObjectFieldSelector, ResourceFieldSelector
from tidegate.model.volumes import DownwardAPIFile, ProjectedVolumeSource, VolumeProjection

_ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['.+'\]$")
_RESOURCES = tuple(
    f"{which}.{resource}"
    for which in ("limits", "requests")
    for resource in ("cpu", "ephemeral-storage", "memory")
)
_MODE_MOST = 0o777


def check_env_field(ref: ObjectFieldSelector, path: str) -> Problems:
    return _check_field(ref, _ENV_FIELDS, path)


def check_resource(ref: ResourceFieldSelector, path: str, *, of_volume: bool = False) -> Problems:
    found: Problems = []
    if of_volume and not ref.container_name:
        found.append(required(f"{path}.containerName"))
    if not ref.resource:
        found.append(required(f"{path}.resource"))
    elif ref.resource not in _RESOURCES:
        found.append(not_supported(f"{path}.resource", ref.resource, _RESOURCES))
    return found + check_quantity(ref.divisor, f"{path}.divisor")


def check_downward(items: Sequence[DownwardAPIFile], path: str) -> Problems:
    """The files of a downwardAPI volume, or of a projected one."""
    found: Problems = []
    for i, item in enumerate(items):
        here = f"{path}.items[{i}]"
        if not item.path:
            found.append(required(f"{here}.path"))
        elif posixpath.isabs(item.path):
            found.append(invalid(f"{here}.path", item.path, "must be a relative path"))
        elif ".." in item.path.split("/"):
            found.append(invalid(f"{here}.path", item.path, "must not contain '..'"))
        if item.mode is not None and not 0 <= item.mode <= _MODE_MOST:
            detail = "must be a number between 0 and 0777 (octal), both inclusive"
            found.append(invalid(f"{here}.mode", item.mode, detail))
        if item.field_ref is not None and item.resource_field_ref is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(invalid(here, "resource", detail))
        elif item.field_ref is not None:
            found += _check_field(item.field_ref, _VOLUME_FIELDS, f"{here}.fieldRef")
        elif item.resource_field_ref is not None:
            ref = item.resource_field_ref
            found += check_resource(ref, f"{here}.resourceFieldRef", of_volume=True)
        else:
            found.append(required(f"{here}.fieldRef", "one of fieldRef and resourceFieldRef"))
    return found


def check_projected(volume: ProjectedVolumeSource, path: str) -> Problems:
    found: Problems = []
    for i, source in enumerate(volume.sources):
        here = f"{path}.sources[{i}]"
        given = _sources_of(source)
        if not given:
            found.append(required(here, "must specify a source"))
        found += [
            forbidden(f"{here}.{extra}", "may not specify more than 1 volume type per source")
            for extra in given[1:]
        ]
        for name, named in (("configMap", source.config_map), ("secret", source.secret)):
            if named is not None and not named.name:
                found.append(required(f"{here}.{name}.name"))
        if source.downward_api is not None:
            found += check_downward(source.downward_api.items, f"{here}.downwardAPI")
    return found


def _sources_of(source: VolumeProjection) -> list[str]:
    sources = {
        "secret": source.secret,
        "configMap": source.config_map,
        "downwardAPI": source.downward_api,
        "serviceAccountToken": source.service_account_token,
        "clusterTrustBundle": source.cluster_trust_bundle,
    }
    return [name for name, value in sources.items() if value is not None]


def _check_field(ref: ObjectFieldSelector, known: Sequence[str], path: str) -> Problems:
    field = ref.field_path
    if not field:
        return [required(f"{path}.fieldPath")]
    if field in known or _SUBSCRIPT.match(field):
        return []
    if field not in (*_ENV_FIELDS, *_VOLUME_FIELDS):
        detail = f"error converting fieldPath: field label not supported: {field}"
        return [invalid(f"{path}.fieldPath", field, detail)]
    return [not_supported(f"{path}.fieldPath", field, known)]
