"""What the pods of a workload will have to fetch, before there is one. Pure but for reads of objects."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.model.accounts import ServiceAccount
from tidegate.model.apps import Deployment, ReplicaSet
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.core import Secret
from tidegate.model.pods import PodSpec
from tidegate.model.serving import Revision
from tidegate.policy.cache_place import CachePlace
from tidegate.policy.kserve_credentials import DEFAULT_ACCOUNT, credentials_of, secret_values
from tidegate.policy.pod_fetches import Gets, volume_fetch
from tidegate.policy.storage_access import Access, BadAccess, of_environment
from tidegate.policy.storage_initializer import downloads_of, is_initializer, plain_environment

#: On a revision's (a Service's) or Deployment's template: its models are fetched when it is applied, even
#: if it is not to run yet.
PREFETCH = "tidegate.dev/prefetch"


def pods_of(gets: Gets, namespace: str, kind: str, name: str) -> PodSpec | None:
    """The pods of a scale target; None: it isn't there, or its kind has no template that is known here."""
    match kind:
        case "Deployment":
            deployment = gets.get(Deployment, namespace, name)
            return deployment.spec.template.spec if deployment is not None else None
        case "ReplicaSet":
            replica_set = gets.get(ReplicaSet, namespace, name)
            return replica_set.spec.template.spec if replica_set is not None else None
        case "Revision":
            revision = gets.get(Revision, namespace, name)
            return revision.spec if revision is not None else None
        case "HorizontalPodAutoscaler":
            hpa = gets.get(HorizontalPodAutoscaler, namespace, name)
            if hpa is None or hpa.spec.scale_target_ref.kind == kind:
                return None
            ref = hpa.spec.scale_target_ref
            return pods_of(gets, namespace, ref.kind, ref.name)
        case _:
            return None


def fetches_of(
    gets: Gets, namespace: str, spec: PodSpec
) -> Iterator[tuple[Access, CachePlace | None]]:
    """Raises `BadAccess`."""
    for volume in spec.volumes:
        found = volume_fetch(gets, namespace, spec, volume)
        for _, access in found.wanted if found is not None else ():
            yield access, found.place if found is not None else None
    for container in spec.init_containers:
        if not is_initializer(container):
            continue
        env = _credentials(gets, namespace, spec)
        env |= plain_environment(container, lambda name, key: _value(gets, namespace, name, key))
        for uri, _ in downloads_of(container):
            yield of_environment(uri, env), None


def _credentials(gets: Gets, namespace: str, spec: PodSpec) -> dict[str, str]:
    account = gets.get(ServiceAccount, namespace, spec.service_account_name or DEFAULT_ACCOUNT)
    return credentials_of(account, lambda name: gets.get(Secret, namespace, name))


def _value(gets: Gets, namespace: str, name: str, key: str) -> str | None:
    secret = gets.get(Secret, namespace, name)
    return None if secret is None else secret_values(secret).get(key)


__all__ = ["PREFETCH", "BadAccess", "fetches_of", "pods_of"]
