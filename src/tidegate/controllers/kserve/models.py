"""The model's files: what `storageUri`, `storageUris`, `storage` and STORAGE_URI become in a pod. Pure.

Paths of this machine and claims are volumes. What has to be fetched becomes what KServe's webhook
makes of it, an init container `storage-initializer` and an emptyDir; the node agent runs it as a fetch
into the model cache, and the emptyDir is then a read-only view of what is there.
Source: kserve pkg/webhook/admission/pod/storage_initializer_injector.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from tidegate.model import kserve_names as names
from tidegate.model.containers import (
    Container,
    EnvVar,
    EnvVarSource,
    KeySelector,
    ResourceRequirements,
    VolumeMount,
)
from tidegate.model.kserve import Component, Predictor, StorageSpec
from tidegate.model.storage_uris import is_fetched, scheme_of
from tidegate.model.volumes import (
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    PersistentVolumeClaimVolumeSource,
    Volume,
)

_VOLUME = "kserve-provision-location"
#: KServe's own numbers.
_RESOURCES = ResourceRequirements(
    requests={"cpu": "100m", "memory": "100Mi"}, limits={"cpu": "1", "memory": "1Gi"}
)


@dataclass(frozen=True, slots=True)
class WithModels:
    """The containers with their models, and what else the pod needs for that."""

    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...] = ()
    init_containers: tuple[Container, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """`env`: what the storage initializer must know besides the URI."""

    uri: str
    path: str
    env: tuple[EnvVar, ...] = ()


def with_models(containers: tuple[Container, ...], component: Component) -> WithModels:
    """Each model is mounted into the container that serves it."""
    volumes: list[Volume] = []
    mounts: list[VolumeMount] = []
    fetches: list[Container] = []
    read_only = component.annotations.get(names.READ_ONLY) != "false"
    for i, wanted in enumerate(_wanted(containers, component)):
        suffix = "" if i == 0 else f"-{i}"
        name, sub_path = f"{_VOLUME}{suffix}", None
        if is_fetched(wanted.uri) or scheme_of(wanted.uri) == names.STORAGE_PLACEHOLDER:
            volumes.append(Volume(name=name, empty_dir=EmptyDirVolumeSource()))
            fetches.append(_initializer(f"{names.STORAGE_INITIALIZER}{suffix}", name, wanted))
        else:
            volume, sub_path = _local(name, wanted.uri)
            volumes.append(volume)
        mounts.append(
            VolumeMount(name=name, mount_path=wanted.path, read_only=read_only, sub_path=sub_path)
        )
    if not mounts:
        return WithModels(containers)
    serving = tuple(
        _serving(c, mounts, fetched=bool(fetches)) if c.name == names.CONTAINER else c
        for c in containers
    )
    return WithModels(serving, tuple(volumes), tuple(fetches))


def _wanted(containers: tuple[Container, ...], component: Component) -> Iterator[_Wanted]:
    model = component.model if isinstance(component, Predictor) else None
    if model is not None and model.storage_uri:
        yield _Wanted(model.storage_uri, names.MODEL_PATH)
    elif model is not None and model.storage is not None:
        secret = component.annotations.get(names.STORAGE_SECRET) or names.STORAGE_CONFIG
        yield _by_key(model.storage, secret)
    for item in component.storage_uris:
        yield _Wanted(item.uri, item.mount_path or names.MODEL_PATH)
    if model is None:
        for container in containers:
            if container.name == names.CONTAINER:
                uri = next((v.value for v in container.env if v.name == names.STORAGE_URI), None)
                if uri:
                    yield _Wanted(uri, names.MODEL_PATH)


def _by_key(storage: StorageSpec, secret: str) -> _Wanted:
    """Type and bucket stand in the Secret, or in the parameters: the node agent puts them in."""
    type_ = storage.parameters.get("type")
    key = storage.key or (f"default_{type_}" if type_ else "default")
    env = [
        EnvVar(
            name=names.STORAGE_CONFIG_VARIABLE,
            value_from=EnvVarSource(secret_key_ref=KeySelector(name=secret, key=key)),
        )
    ]
    if storage.parameters:
        value = json.dumps(storage.parameters, sort_keys=True)
        env.append(EnvVar(name=names.STORAGE_OVERRIDE_VARIABLE, value=value))
    uri = f"{names.STORAGE_PLACEHOLDER}://{(storage.path or '').strip('/')}"
    return _Wanted(uri, names.MODEL_PATH, tuple(env))


def _initializer(name: str, volume: str, wanted: _Wanted) -> Container:
    return Container(
        name=name,
        image=names.STORAGE_INITIALIZER_IMAGE,
        args=(wanted.uri, names.MODEL_PATH),
        env=wanted.env,
        resources=_RESOURCES,
        volume_mounts=(VolumeMount(name=volume, mount_path=names.MODEL_PATH),),
        termination_message_policy="FallbackToLogsOnError",
    )


def _serving(container: Container, mounts: list[VolumeMount], *, fetched: bool) -> Container:
    """A container that named its model by STORAGE_URI is told where it is, as KServe does."""
    env = container.env
    if fetched:
        env = tuple(
            replace(var, value=names.MODEL_PATH)
            if var.name == names.STORAGE_URI and is_fetched(var.value or "")
            else var
            for var in env
        )
    return replace(container, env=env, volume_mounts=(*container.volume_mounts, *mounts))


def _local(name: str, uri: str) -> tuple[Volume, str | None]:
    scheme, colon, rest = uri.partition("://")
    if colon and scheme == "pvc":
        claim, _, sub_path = rest.partition("/")
        source = PersistentVolumeClaimVolumeSource(claim_name=claim)
        return Volume(name=name, persistent_volume_claim=source), sub_path.strip("/") or None
    path = rest if colon else uri
    return Volume(name=name, host_path=HostPathVolumeSource(path="/" + path.strip("/"))), None
