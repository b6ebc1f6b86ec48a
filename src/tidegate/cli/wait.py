"""`tidegate wait`: for a condition, a value or the end of an object.

Looks again and again instead of watching: a wait may outlive a restart of the control plane, and
ten small reads a second are nothing to it.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic, sleep
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.cli import jsonpath
from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.hopeless import newest_revision, why_never
from tidegate.cli.options import DataDir, Namespace, duration_of, home_of
from tidegate.cli.targets import Wanted, wanted_objects
from tidegate.client.http import NoApi
from tidegate.model.errors import NotFound

_LOOK_AGAIN_S = 0.1
_KNATIVE = "serving.knative.dev"
Json = dict[str, Any]


def wait(
    *what: str,
    for_: Annotated[str, Parameter(name=["--for"])],
    timeout: str = "30s",
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Wait until objects have a condition or a value, or are gone.

    Exits with 1 when time is up, and before that when it will never be so by itself: the progress
    deadline was missed, a Job has failed, no runtime serves the model's format.

    Example: tidegate wait ksvc/iris --for=condition=Ready --timeout 60s

    Parameters
    ----------
    what
        KIND/NAME..., or KIND NAME...
    for_
        condition=NAME[=VALUE], delete, or jsonpath={.path}[=VALUE].
    timeout
        How long at most, such as 30s or 5m.
    """
    goal = parse_goal(for_)
    patience_s = duration_of("--timeout", timeout)
    cluster = Cluster(home_of(data_dir))
    wanted = wanted_objects(cluster.resources(), what)
    if not all(one.name for one in wanted):
        raise Usage("which one? KIND/NAME")
    deadline = monotonic() + patience_s
    for one in wanted:
        _wait_for(cluster, one, namespace, goal, deadline, for_)
        print(f"{one.resource.qualified}/{one.name} {goal.said}", flush=True)
    return 0


class Goal:
    """What is waited for; `said` is what is printed once it is so."""

    said = ""
    gone = False
    to_be_true: str | None = (
        None  # the condition that is to be True; None: something else is waited for
    )

    def met(self, obj: Json) -> bool:
        """Whether the object has it."""
        return False


class Gone(Goal):
    said = "deleted"
    gone = True


class HasCondition(Goal):
    """A condition of the object's current generation has a status (case doesn't matter)."""

    said = "condition met"

    def __init__(self, type_: str, status: str) -> None:
        self._type, self._status = type_.lower(), status.lower()
        self.to_be_true = type_ if self._status == "true" else None

    def met(self, obj: Json) -> bool:
        status = obj.get("status") or {}
        for condition in status.get("conditions") or ():
            if str(condition.get("type")).lower() == self._type:
                seen = condition.get("observedGeneration") or status.get("observedGeneration")
                stale = seen is not None and seen < obj["metadata"].get("generation", 0)
                return not stale and str(condition.get("status")).lower() == self._status
        return False


class HasValue(Goal):
    """A path leads to a value; None: to anything that isn't empty."""

    said = "condition met"

    def __init__(self, path: str, value: str | None) -> None:
        self._path, self._value = path, value
        jsonpath.find(path, {})  # a path that can't be read is said now

    def met(self, obj: Json) -> bool:
        found = jsonpath.find(self._path, obj)
        if self._value is None:
            return any(one not in ("", None, [], {}) for one in found)
        texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in found]
        return self._value in texts


def parse_goal(text: str) -> Goal:
    """What `--for` says. Raises `Usage`."""
    kind, _, rest = text.partition("=")
    if text == "delete":
        return Gone()
    if kind == "condition" and rest:
        name, _, status = rest.partition("=")
        return HasCondition(name, status or "True")
    if kind == "jsonpath" and rest:
        path, brace, value = rest.partition("}")
        if rest.startswith("{") and brace and (not value or value.startswith("=")):
            return HasValue(path + "}", value[1:] if value else None)
    raise Usage(
        f"--for={text}: write condition=Ready, delete or jsonpath={{.status.phase}}=Running"
    )


def _wait_for(
    cluster: Cluster, one: Wanted, namespace: str, goal: Goal, deadline: float, asked: str
) -> None:
    label = f"{one.resource.qualified}/{one.name}"
    live: Json = {}
    while True:
        try:
            live = cluster.read(one.resource, namespace, one.name)
            if goal.met(live):
                return
        except NotFound:
            if goal.gone:
                return
            raise
        except NoApi:
            if monotonic() >= deadline:
                raise
        never = _why_never(cluster, one, namespace, goal, live)
        if never is not None:
            raise CliError(f"{label}: {asked} will not come by itself: {never}")
        if monotonic() >= deadline:
            raise CliError(f"{label}: time is up waiting for {asked}; {_what_is(live)}")
        sleep(_LOOK_AGAIN_S)


def _why_never(cluster: Cluster, one: Wanted, namespace: str, goal: Goal, live: Json) -> str | None:
    if goal.to_be_true is None or not live:
        return None
    revision: Json | None = None
    name = newest_revision(live) if one.resource.group == _KNATIVE else None
    if name is not None:
        with suppress(NotFound, NoApi):
            kind = find_kind(cluster.resources(), f"revisions.{_KNATIVE}")
            revision = cluster.read(kind, namespace, name)
    return why_never(live, goal.to_be_true, revision)


def _what_is(live: Json) -> str:
    """The first condition that isn't true, in its own words."""
    for condition in (live.get("status") or {}).get("conditions") or ():
        if condition.get("status") != "True" and condition.get("type") in ("Ready", "Available"):
            reason, message = condition.get("reason") or "no reason", condition.get("message")
            said = f"{condition['type']} is {condition.get('status')}: {reason}"
            return f"{said}: {message}" if message else said
    return "look at it with `tidegate describe`"
