"""Which parts of a dataset a pod needs before it starts, and where each of them is fetched from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.model.fluid import Dataset, DatasetMount, EncryptOption
from tidegate.model.fluid_mounts import BadMount, place_of, source_of
from tidegate.model.pods import PodSpec
from tidegate.policy.storage_access import Access, BadAccess, below, of_mount

#: The values of a Secret of the dataset's namespace, by its name; None: it is not there.
SecretValues = Callable[[str], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class RemoteMount:
    """A mount whose data is fetched: where it is in the dataset (empty: the whole of it)."""

    place: str
    mount: DatasetMount
    uri: str


@dataclass(frozen=True, slots=True)
class Part:
    """`inner` of a mount, at `place` of the dataset; empty `inner`: all of the mount."""

    place: str
    mount: RemoteMount
    inner: str

    @property
    def uri(self) -> str:
        return below(self.mount.uri, self.inner)


def remote_mounts(dataset: Dataset) -> tuple[RemoteMount, ...]:
    """Mounts that can't be read, stored before they were refused, are left out."""
    found = []
    for mount in dataset.spec.mounts:
        try:
            source, place = source_of(mount), place_of(mount)
        except BadMount:
            continue
        if source.uri is not None:
            found.append(RemoteMount(place, mount, source.uri))
    return tuple(found)


def places_of(dataset: Dataset) -> tuple[str, ...]:
    """Where its mounts are in the dataset, those that can be read."""
    found = []
    for mount in dataset.spec.mounts:
        try:
            found.append(place_of(mount))
        except BadMount:
            continue
    return tuple(found)


def parts_of(mounts: Sequence[RemoteMount], paths: Iterable[str]) -> tuple[Part, ...]:
    """What has to be there for these paths of the dataset; an empty path is all of it.

    A path inside of another one adds nothing.
    """
    found: dict[tuple[str, str], Part] = {}
    for path in paths:
        wanted = path.strip("/")
        for mount in mounts:
            inner = _inside(wanted, mount.place)
            if inner is not None:
                found[mount.place, inner] = Part(wanted if inner else mount.place, mount, inner)
            elif _inside(mount.place, wanted) is not None:
                found[mount.place, ""] = Part(mount.place, mount, "")
    return tuple(
        part
        for part in found.values()
        if not any(
            other is not part
            and other.mount.place == part.mount.place
            and _inside(part.inner, other.inner) is not None
            for other in found.values()
        )
    )


def paths_mounted(spec: PodSpec, volume: str) -> tuple[str, ...]:
    """The paths of a volume that a pod's containers mount; empty path: the whole volume. What only
    the environment can tell (`subPathExpr`) counts as the whole."""
    found = [
        "" if mount.sub_path_expr else (mount.sub_path or "")
        for container in (*spec.init_containers, *spec.containers)
        for mount in container.volume_mounts
        if mount.name == volume
    ]
    return tuple(dict.fromkeys(found))


def secrets_of(dataset: Dataset) -> frozenset[str]:
    """The names of the Secrets that hold its keys."""
    options = (
        *dataset.spec.shared_encrypt_options,
        *(option for mount in dataset.spec.mounts for option in mount.encrypt_options),
    )
    return frozenset(
        option.value_from.secret_key_ref.name
        for option in options
        if option.value_from is not None and option.value_from.secret_key_ref is not None
    )


def access_of(dataset: Dataset, part: Part, secret_of: SecretValues) -> Access:
    """How the part is reached. Raises `BadAccess` for a Secret or key that is not there."""
    options = dict(dataset.spec.shared_options)
    options |= part.mount.mount.options
    for option in (*dataset.spec.shared_encrypt_options, *part.mount.mount.encrypt_options):
        options[option.name] = _value(option, secret_of)
    return of_mount(part.uri, options)


def _value(option: EncryptOption, secret_of: SecretValues) -> str:
    ref = option.value_from.secret_key_ref if option.value_from is not None else None
    if ref is None:
        raise BadAccess(f"encryptOptions {option.name}: names no Secret (valueFrom.secretKeyRef)")
    data = secret_of(ref.name)
    if data is None:
        raise BadAccess(f'secret "{ref.name}" not found (encryptOptions {option.name})')
    if (ref.key or "") not in data:
        raise BadAccess(f'secret "{ref.name}" has no key {ref.key} (encryptOptions {option.name})')
    return data[ref.key or ""]


def _inside(path: str, folder: str) -> str | None:
    """The path seen from the folder; None: it lies outside of it."""
    if not folder:
        return path
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
