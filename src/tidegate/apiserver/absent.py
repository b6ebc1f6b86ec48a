"""Kinds of Kubernetes that people ask for and that are not here: why, and what to do instead. Pure.

A client that discovers first (`kubectl apply`) says "no matches for kind" by itself; one that knows its
path (`kubectl create job`, a typed client) is told this.
"""

from __future__ import annotations

from collections.abc import Mapping

#: (group, plural) -> the way out.
ABSENT: Mapping[tuple[str, str], str] = {
    (
        "apps",
        "statefulsets",
    ): "use a Deployment: on one machine its volumes can be hostPath folders",
    ("apps", "daemonsets"): "there is one node: use a Deployment with one replica",
    ("policy", "poddisruptionbudgets"): "one machine moves no pods, so there is nothing to budget",
    ("scheduling.k8s.io", "priorityclasses"): "pods are scheduled in the order they come",
    ("data.fluid.io", "datamigrates"): (
        "datasets are read in place: copy the data with a Job, or mount another folder"
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        "the kinds are built in (`kubectl api-resources` lists them); an object needs no definition "
        "applied before it"
    ),
}
#: Subresources of kinds that are here: (plural, name) -> the way out.
ABSENT_PARTS: Mapping[tuple[str, str], str] = {
    ("serviceaccounts", "token"): (
        "service accounts have no tokens here: `tidegate token create NAME --role view` makes one"
    ),
    ("pods", "ephemeralcontainers"): "use `kubectl exec`: pods are processes of this machine",
    ("pods", "binding"): "the scheduler of the engine is the only one",
}


def way_out(group: str, plural: str, subresource: str | None) -> str | None:
    """What to tell somebody who asks for this; None when there is nothing to tell."""
    if subresource is not None and group == "":
        return ABSENT_PARTS.get((plural, subresource))
    return ABSENT.get((group, plural))
