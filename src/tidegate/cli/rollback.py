"""`tidegate rollback`: a service's traffic goes to an earlier revision, and stays there.

It writes `spec.traffic`, as one would by hand; tags stay. Nothing else of the service changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.knative import SERVICES, owner_of
from tidegate.cli.options import DataDir, Namespace, home_of
from tidegate.cli.revisions import RevisionLine, history_of, lines_of

Json = dict[str, Any]


def rollback(
    service: str,
    /,
    *,
    to: str | None = None,
    latest: Annotated[bool, Parameter(name=["--latest", "--undo"])] = False,
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Send all traffic of a service to an earlier revision; new revisions get none until --latest.

    Example: tidegate rollback iris --to iris-00001

    Parameters
    ----------
    service
        Name of a Knative Service.
    to
        The revision; without it, the newest ready one before those that serve now.
    latest
        Go back to following the latest revision that is ready.
    """
    if to and latest:
        raise Usage("--to and --latest: traffic can go to one revision or follow the latest")
    cluster = Cluster(home_of(data_dir))
    live, found = history_of(cluster, service, namespace)
    service, owner = live["metadata"]["name"], owner_of(live)
    if owner is not None:
        raise CliError(
            f"the traffic of service {service} is InferenceService {owner}'s: set its "
            "spec.predictor.canaryTrafficPercent, 0 sends all to the revision rolled out before"
        )
    lines = lines_of(live, found)
    target = None if latest else chosen(service, lines, to)
    traffic = traffic_to(target, live["spec"].get("traffic") or [])
    serving = ", ".join(f"{line.name} {line.traffic}%" for line in lines if line.traffic)
    if traffic == live["spec"].get("traffic"):
        print(f"service {service}: unchanged, traffic is {serving or 'nowhere yet'} as asked")
        return 0
    patch = {
        "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
        "spec": {"traffic": traffic},
    }
    cluster.merge(find_kind(cluster.resources(), SERVICES), namespace, service, patch)
    before = f" (was: {serving})" if serving else ""
    if target is None:
        print(f"service {service}: traffic follows the latest ready revision again{before}")
        return 0
    print(f"service {service}: all traffic goes to {target}{before}")
    print(f"new revisions get none of it until `tidegate rollback {service} --latest`")
    return 0


def chosen(service: str, lines: Sequence[RevisionLine], to: str | None) -> str:
    """The revision to go to. `to` None: the newest ready one that is older than all that serve.

    Raises `CliError` when there is none, or when it couldn't serve.
    """
    listed = f"`tidegate revisions {service}` lists them"
    if to is not None:
        line = next((line for line in lines if line.name == to), None)
        if line is None:
            raise CliError(f"service {service} has no revision {to}: {listed}")
        if line.ready != "True":
            why = f": {line.why}" if line.why else ""
            raise CliError(f"revision {to} is not ready{why}; traffic stays where it is")
        return to
    oldest = min((line.generation for line in lines if line.traffic), default=None)
    if oldest is None:
        raise CliError(f"service {service} serves no revision yet: name one with --to; {listed}")
    for line in lines:  # newest first
        if line.generation < oldest and line.ready == "True":
            return line.name
    raise CliError(f"service {service} has no ready revision before the one that serves: {listed}")


def traffic_to(target: str | None, traffic: Sequence[Json]) -> list[Json]:
    """The traffic list with everything on one revision (None: on the latest), and its tags kept."""
    if target is None:
        whole: Json = {"latestRevision": True, "percent": 100}
    else:
        whole = {"latestRevision": False, "percent": 100, "revisionName": target}
    tagged = [{**one, "percent": 0} for one in traffic if one.get("tag")]
    return [whole, *tagged]
