"""core/v1 ServiceAccount: kept so that documents and pods may name one.

Pods here are local processes without an API token of their own: nothing is mounted into them.
"""

from __future__ import annotations

from tidegate.model.meta import Object, ObjectReference
from tidegate.model.wire import NotHonoured, Wire


class LocalObjectReference(Wire, frozen=True, kw_only=True):
    name: str = ""


class ServiceAccount(Object, frozen=True, kw_only=True):
    """`secrets` are read by KServe's storage (credentials of a bucket)."""

    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: NotHonoured = None
