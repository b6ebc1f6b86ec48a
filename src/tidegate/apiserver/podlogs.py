"""`pods/NAME/log`: checks what is asked, and passes on what the node agent's logs hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from tidegate.apiserver.exchange import Ask, Stream
from tidegate.apiserver.targets import Target
from tidegate.kit.clock import Clock
from tidegate.model.conditions import seconds_of
from tidegate.model.errors import BadRequest, Cause, Invalid, NotFound
from tidegate.model.pods import Pod
from tidegate.model.serving_names import DEFAULT_CONTAINER
from tidegate.store import Store


class LogSource(Protocol):
    """Where container logs are read; `app` hands in the node agent's."""

    async def read(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        since_s: float | None,
        previous: bool,
        timestamps: bool,
    ) -> AsyncIterator[bytes]:
        """The log from `since_s` seconds ago (None: the start), the last `tail` lines of it (None:
        all); with `follow` until the container ends. Raises ApiError when there is none."""
        ...


class PodLogs:
    def __init__(self, store: Store, source: LogSource | None, clock: Clock) -> None:
        self._store, self._source, self._clock = store, source, clock

    async def read(self, ask: Ask, target: Target) -> Stream:
        """Raises NotFound, BadRequest, Invalid."""
        namespace, name = target.namespace or "", target.name or ""
        pod = self._store.get(Pod, namespace, name)
        if pod is None:
            raise NotFound("pods", name)
        container = container_of(pod, ask.query.get("container"))
        if self._source is None:
            raise BadRequest("this API server runs without a node, so there are no logs")
        tail, limit = _at_least(ask, name, "tailLines", 0), _at_least(ask, name, "limitBytes", 1)
        chunks = await self._source.read(
            namespace,
            name,
            container,
            follow=ask.flag("follow"),
            tail=tail,
            since_s=self._since_s(ask, name),
            previous=ask.flag("previous"),
            timestamps=ask.flag("timestamps"),
        )
        return Stream(
            chunks if limit is None else _first(chunks, limit), lambda: None, media="text/plain"
        )

    def _since_s(self, ask: Ask, pod: str) -> float | None:
        """How long ago the wanted lines begin, in seconds; None: all lines are wanted."""
        seconds, moment = _at_least(ask, pod, "sinceSeconds", 1), ask.query.get("sinceTime")
        if not moment:
            return None if seconds is None else float(seconds)
        if seconds is not None:
            raise _wrong(pod, "sinceTime", "may not be given beside sinceSeconds", moment)
        try:
            return max(0.0, self._clock.now() - seconds_of(moment))
        except ValueError as why:
            raise _wrong(
                pod, "sinceTime", "must be a time like 2027-01-15T08:00:00Z", moment
            ) from why


def _at_least(ask: Ask, pod: str, option: str, least: int) -> int | None:
    """A number among the options, None when absent. Raises BadRequest, Invalid."""
    number = ask.number(option)
    if number is not None and number < least:
        said = "must be greater than 0" if least else "must be greater than or equal to 0"
        raise _wrong(pod, option, said, str(number))
    return number


def _wrong(pod: str, option: str, said: str, value: str) -> Invalid:
    cause = Cause("FieldValueInvalid", f"Invalid value: {value}: {said}", option)
    return Invalid("PodLogOptions", pod, [cause])


def container_of(pod: Pod, asked: str | None) -> str:
    """The container that is meant; None or empty: the only one, or the one that the
    pod's annotation names. Raises BadRequest."""
    names = [c.name for c in (*pod.spec.containers, *pod.spec.init_containers)]
    if asked:
        if asked not in names:
            raise BadRequest(f"container {asked} is not valid for pod {pod.metadata.name}")
        return asked
    if len(names) == 1:
        return names[0]
    main = [c.name for c in pod.spec.containers]
    if len(main) == 1:
        return main[0]
    meant = pod.metadata.annotations.get(DEFAULT_CONTAINER)
    if meant in main:
        return meant
    inits = " ".join(c.name for c in pod.spec.init_containers)
    raise BadRequest(
        f"a container name must be specified for pod {pod.metadata.name}, "
        f"choose one of: [{' '.join(main)}]"
        + (f" or one of the init containers: [{inits}]" if inits else "")
    )


async def _first(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk[:limit]
        limit -= len(chunk)
        if limit <= 0:
            return
