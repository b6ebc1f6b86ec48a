"""What the API would say to a new document, without an API: read, defaulted, checked, nothing kept.

For `tidegate check` and whoever lints documents. It is the same reading and the same admission that
a create passes; what needs the stored objects (immutable fields, conflicts) is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidegate.apiserver import bodies, lifecycle
from tidegate.apiserver.admission import Admission
from tidegate.apiserver.bodies import Body, Strictness
from tidegate.model.kinds import Kind
from tidegate.model.meta import Object, touched

_SUFFIX = "xxxxx"  # stands for what generateName would add
_SOME_TIME_S = 0.0


def review(
    value: Mapping[str, Any],
    kind: Kind,
    *,
    namespace: str | None,
    config: Callable[[str], Mapping[str, str]] = lambda name: {},
) -> tuple[str, ...]:
    """The warnings for a document that would be accepted; raises `ApiError` for one that would not.

    `namespace`: where it would go, None for kinds outside namespaces. `config`: as `Admission`'s.
    """
    obj, notes = bodies.to_object(Body(dict(value)), kind, Strictness.STRICT)
    meta = obj.metadata
    name = meta.name or (meta.generate_name + _SUFFIX if meta.generate_name else "")
    named: Object = msgspec.structs.replace(
        obj, metadata=touched(meta, name=name, namespace=namespace)
    )
    new = lifecycle.newborn(named, uid="", now_s=_SOME_TIME_S)
    admitted = Admission(config).admit(new, None, user="check")
    return tuple(dict.fromkeys((*notes, *admitted.warnings)))
