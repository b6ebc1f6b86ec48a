"""One kind as the API serves it: its names on the wire, its versions, what it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tidegate.model.meta import Object

_ObjectType = type[Object]


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind is written in a version that it is not stored in.

    `up` makes the stored object of a document, `down` the document of a stored object; both are
    total: what a version has no field for is kept elsewhere in it (an annotation), so that
    up(down(x)) == x. `deprecated` is said with every answer; empty: nothing is.
    """

    type: type[Object]
    up: Callable[[Any], Object]
    down: Callable[[Any], Object]
    deprecated: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as the API serves it, in one version."""

    type: type[Object]
    group: str  # empty for core
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = True  # a status subresource: the main endpoint drops status changes
    has_spec: bool = True  # counts generations
    has_scale: bool = False
    form: Form | None = None  # None: this is the version that is stored

    @property
    def wire_type(self) -> _ObjectType:
        """What a document of this version is read into."""
        return self.type if self.form is None else self.form.type

    def lifted(self, document: Object) -> Object:
        """The object to store of a document that was read as `wire_type`."""
        return document if self.form is None else self.form.up(document)

    def lowered(self, obj: Object) -> Object:
        """A stored object as this version writes it: a `wire_type`."""
        return obj if self.form is None else self.form.down(obj)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As error messages name it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As Invalid messages name it: `Deployment.apps`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


def in_version(kind: Kind, version: str, form: Form | None = None, *, deprecated: str = "") -> Kind:
    """A stored kind served in another version. `form` None: written as it is stored."""
    same = Form(kind.type, lambda document: document, lambda obj: obj, deprecated)
    return replace(kind, version=version, form=form or same)
