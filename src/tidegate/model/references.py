"""The names that an object mentions beside those of its owners: by these the store finds who refers to what.

An index and no truth: it finds whatever might concern a name of the same namespace, whichever kind
the name belongs to; who asks looks at the objects found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.model import serving_names as names
from tidegate.model.apps import ReplicaSet
from tidegate.model.ingresses import Ingress, services_of
from tidegate.model.meta import Object, controller_of
from tidegate.model.pods import Pod
from tidegate.model.serving import Revision, Route

#: "Mentioned" by what no controller owns though one may: those that adopt look here.
NO_CONTROLLER = "~"


def _of_pods(obj: Object) -> frozenset[str]:
    """Pods and what makes them, as far as nobody controls them."""
    return frozenset() if controller_of(obj.metadata) is not None else frozenset((NO_CONTROLLER,))


def _of_route(route: Route) -> frozenset[str]:
    """Revisions and configurations that it routes to, or did when its status was written."""
    targets = (*route.spec.traffic, *(route.status.traffic if route.status else ()))
    mentioned = {name for t in targets for name in (t.revision_name, t.configuration_name)}
    return frozenset(name for name in mentioned if name)


def _of_revision(revision: Revision) -> frozenset[str]:
    """The configuration that it was made for."""
    configuration = revision.metadata.labels.get(names.CONFIGURATION)
    return frozenset((configuration,) if configuration else ())


def _of_pod(pod: Pod) -> frozenset[str]:
    """Besides, the revision that a pod is a replica of."""
    revision = pod.metadata.labels.get(names.REVISION)
    return _of_pods(pod) | ({revision} if revision else set())


_OF: Mapping[type[Object], Callable[[Any], frozenset[str]]] = {
    Route: _of_route,
    Revision: _of_revision,
    Pod: _of_pod,
    ReplicaSet: _of_pods,
    Ingress: lambda ingress: frozenset(services_of(ingress)),
}


#: Labels whose values are among what objects of a kind mention.
_BY_LABEL: Mapping[type[Object], str] = {Pod: names.REVISION, Revision: names.CONFIGURATION}


def mention_of(type_: type[Object], labels: Mapping[str, str]) -> str | None:
    """The name by which objects with these labels are found; None: by none, all must be looked at."""
    return labels.get(_BY_LABEL.get(type_, ""))


def references(obj: Object) -> frozenset[str]:
    """Names in the object's own namespace; empty for kinds that are not in the table."""
    of = _OF.get(type(obj))
    return frozenset() if of is None else of(obj)
