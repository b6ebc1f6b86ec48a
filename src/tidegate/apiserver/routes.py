"""Which handler answers which path and method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from tidegate.apiserver import discovery, openapi, reviews
from tidegate.apiserver.access import INTO_PODS, Action, check_allowed
from tidegate.apiserver.custom_metrics import CustomMetrics, MetricsSource
from tidegate.apiserver.eviction import Evictions
from tidegate.apiserver.exchange import Ask, Reply, Stream, as_json
from tidegate.apiserver.metrics import Metrics, UsageSource
from tidegate.apiserver.podexec import CommandSource, PodExec
from tidegate.apiserver.podlogs import LogSource, PodLogs
from tidegate.apiserver.podports import PortForward, PortSource
from tidegate.apiserver.resources import Resources
from tidegate.apiserver.sessions import Session
from tidegate.apiserver.targets import Target, no_resource, target_of
from tidegate.apiserver.writes import Writes
from tidegate.kit.clock import Clock
from tidegate.model.errors import BadRequest, MethodNotAllowed

Handler = Callable[[Ask, Target], Awaitable[Reply | Stream]]
Opener = Callable[[Ask, Target], Awaitable[Session]]

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_HEALTH = ("/healthz", "/livez", "/readyz")
#: What anybody may ask without a token, as on a cluster.
PUBLIC = (*_HEALTH, "/version")


class Api:
    """The whole HTTP API as a function from `Ask` to an answer. Raises ApiError."""

    def __init__(
        self,
        writes: Writes,
        clock: Clock,
        *,
        logs: LogSource | None = None,
        usage: UsageSource | None = None,
        commands: CommandSource | None = None,
        ports: PortSource | None = None,
        metrics: MetricsSource | None = None,
    ) -> None:
        resources = Resources(writes, clock)
        self._watch: Handler = resources.watch
        self._collection: Mapping[str, Handler] = {
            "GET": resources.list,
            "POST": resources.create,
            "DELETE": resources.delete_many,
        }
        self._object: Mapping[str, Handler] = {
            "GET": resources.read,
            "PUT": resources.update,
            "PATCH": resources.patch,
            "DELETE": resources.delete,
        }
        self._scale: Mapping[str, Handler] = {
            "GET": resources.read_scale,
            "PUT": resources.update_scale,
            "PATCH": resources.patch_scale,
        }
        self._log: Mapping[str, Handler] = {"GET": PodLogs(writes.store, logs, clock).read}
        self._eviction: Mapping[str, Handler] = {"POST": Evictions(writes).create}
        self._metrics = Metrics(writes.store, usage)
        self._custom_metrics = CustomMetrics(writes.store, metrics, clock)
        self._sessions: Mapping[str, Opener] = {
            "attach": _no_attach,
            "exec": PodExec(writes.store, commands, clock).open,
            "portforward": PortForward(writes.store, ports).open,
        }

    async def handle(self, ask: Ask) -> Reply | Stream:
        """Answer one request."""
        plain = _about(ask)
        if plain is not None:
            if ask.method not in ("GET", "HEAD"):
                raise _not_allowed()
            return plain
        if self._metrics.has(ask.path):
            return await self._metrics.read(ask)
        if self._custom_metrics.has(ask.path):
            return await self._custom_metrics.read(ask)
        if reviews.has(ask.path):
            return reviews.answer(ask)
        target = target_of(ask.path)
        check_allowed(ask.role, ask.user, _action(ask, target))
        answer = await self._handler(ask, target)(ask, target)
        form = target.kind.form
        if form is None or not form.deprecated or isinstance(answer, Stream):
            return answer
        return replace(answer, warnings=(form.deprecated, *answer.warnings))

    async def connect(self, ask: Ask) -> Session:
        """Answer one request for a WebSocket."""
        target = target_of(ask.path)
        check_allowed(ask.role, ask.user, _action(ask, target))
        opener = self._sessions.get(target.subresource or "")
        if opener is None or target.kind.resource != "pods":
            raise BadRequest(
                "no WebSocket here: they are for pods/NAME/"
                f"{' and pods/NAME/'.join(sorted(self._sessions))}; watches are plain HTTP streams"
            )
        return await opener(ask, target)

    async def _not_upgraded(self, ask: Ask, target: Target) -> Reply:
        """What would be refused anyway is refused with its own reason. Raises ApiError."""
        await self._sessions[target.subresource or ""](ask, target)
        raise BadRequest(
            f"pods/{target.subresource} is answered over WebSockets only: use kubectl 1.31 or later"
        )

    def _handler(self, ask: Ask, target: Target) -> Handler:
        method = "GET" if ask.method == "HEAD" else ask.method
        table = self._table(target)
        if table is self._collection:
            if method == "GET" and (target.watch or ask.flag("watch")):
                return self._watch
            if method == "POST" and target.kind.namespaced and target.namespace is None:
                raise _not_allowed()
        if method not in table:
            raise _not_allowed()
        return table[method]

    def _table(self, target: Target) -> Mapping[str, Handler]:
        kind = target.kind
        if target.name is None:
            return self._collection
        match target.subresource:
            case None:
                return self._object
            case "status" if kind.has_status:
                return {m: h for m, h in self._object.items() if m != "DELETE"}
            case "scale" if kind.has_scale:
                return self._scale
            case "log" if kind.resource == "pods":
                return self._log
            case "eviction" if kind.resource == "pods":
                return self._eviction
            case name if name in self._sessions and kind.resource == "pods":
                return {"GET": self._not_upgraded, "POST": self._not_upgraded}
            case _:
                raise no_resource(kind.group, kind.plural, target.subresource)


async def _no_attach(ask: Ask, target: Target) -> Session:
    raise BadRequest(
        "attach is not possible: a pod's output goes to its log and its input is closed; "
        "use kubectl logs -f to follow it, kubectl exec to run something beside it"
    )


def _action(ask: Ask, target: Target) -> Action:
    """What a request wants to do, in the words of access rules."""
    verb = _VERBS.get(ask.method, "get")
    if target.name is None and verb == "get":
        verb = "watch" if target.watch or ask.flag("watch") else "list"
    elif target.name is None and verb == "delete":
        verb = "deletecollection"
    elif target.subresource in INTO_PODS:
        verb = "create"  # a WebSocket begins with a GET
    kind = target.kind
    return Action(
        verb,
        kind.group,
        kind.plural,
        target.subresource or "",
        target.namespace or "",
        target.name or "",
    )


def _about(ask: Ask) -> Reply | None:
    """Answers that are not about objects, None for the others. Raises UnknownPath."""
    path = ask.path
    if path in _HEALTH:
        return Reply(b"ok", media="text/plain")
    steps = path.strip("/").split("/")
    wants_aggregated = discovery.AGGREGATED in ask.accept.replace(" ", "")
    match steps:
        case ["version"]:
            return as_json(discovery.version())
        case ["api" | "apis" as root] if wants_aggregated:
            reply = as_json(discovery.aggregated(core=root == "api"))
            return Reply(reply.body, media=discovery.AGGREGATED)
        case ["api"]:
            return as_json(discovery.api_versions())
        case ["apis"]:
            return as_json(discovery.group_list())
        case ["apis", group]:
            return as_json(discovery.group(group))
        case ["api", version]:
            return as_json(discovery.resource_list("", version))
        case ["apis", group, version]:
            return as_json(discovery.resource_list(group, version))
        case ["openapi", "v2"]:
            return Reply(openapi.V2, media=openapi.V2_MEDIA)
        case ["openapi", "v3"]:
            return as_json(openapi.index())
        case ["openapi", "v3", *place]:
            return Reply(openapi.document("/".join(place)))
        case _:
            return None


def _not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed(
        "the server does not allow this method on the requested resource", details={}
    )
