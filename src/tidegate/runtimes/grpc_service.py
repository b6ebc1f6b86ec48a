"""What gRPC services are made of here: a model to ask, methods, and failures as status codes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tidegate.protocols.errors import (
    BadRequest,
    ModelNotReady,
    NoSuchPath,
    NotImplementedHere,
    ProtocolError,
    TooLarge,
    UnknownModel,
)
from tidegate.protocols.tensors import Tensor
from tidegate.protocols.v2 import Infer
from tidegate.runtimes.backend import About
from tidegate.runtimes.drain import Drain
from tidegate.runtimes.workers import Workers

_log = logging.getLogger("tidegate.runtimes")


class FailedPrecondition(ProtocolError):
    """Asked for in a way that this model can't be: TF Serving's code for an unknown signature."""

    code = 400


class NoServable(ProtocolError):
    """TF Serving's words for a model or version that it hasn't."""

    code = 404


#: gRPC's status codes, by name.
_CODES: tuple[tuple[type[ProtocolError], str], ...] = (
    (FailedPrecondition, "FAILED_PRECONDITION"),
    (BadRequest, "INVALID_ARGUMENT"),
    (UnknownModel, "NOT_FOUND"),
    (NoServable, "NOT_FOUND"),
    (NotImplementedHere, "UNIMPLEMENTED"),
    (NoSuchPath, "UNIMPLEMENTED"),
    (ModelNotReady, "UNAVAILABLE"),
    (TooLarge, "RESOURCE_EXHAUSTED"),
)


@dataclass(frozen=True, slots=True)
class Model:
    """The one model behind the services. `version` None: it has none. Owned by the loop's thread."""

    name: str
    names: frozenset[str]  # all that mean it
    version: str | None
    backend: Any  # a `TensorModel`
    workers: Workers
    drain: Drain
    new_id: Callable[[], str]

    @property
    def ready(self) -> bool:
        return not self.drain.draining

    @property
    def about(self) -> About:
        about: About = self.backend.about
        return about

    async def infer(self, asked: Infer, size_bytes: int) -> tuple[Tensor, ...]:
        """Raises `ProtocolError`."""
        with self.drain.entered():
            return await self.workers.predict(
                lambda: self.backend.infer(asked), body_bytes=size_bytes
            )


@dataclass(frozen=True, slots=True)
class Method:
    """One call of a service. `call` gives the answer's fields; raises `ProtocolError`."""

    service: str
    name: str
    request: Any  # message classes
    response: Any
    call: Callable[[Any], Awaitable[dict[str, Any]]]


def handlers(methods: Iterable[Method]) -> list[Any]:
    """As grpcio takes them: one handler for each service."""
    import grpc

    services: dict[str, dict[str, Any]] = {}
    for method in methods:
        services.setdefault(method.service, {})[method.name] = grpc.unary_unary_rpc_method_handler(
            _served(method),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
    return [grpc.method_handlers_generic_handler(name, calls) for name, calls in services.items()]


def _served(method: Method) -> Any:
    """The outer handler of every call: reports what nobody foresaw."""
    import grpc

    async def serve(request: Any, context: Any) -> Any:
        try:
            return method.response(**await method.call(request))
        except ProtocolError as error:
            code = next((c for kind, c in _CODES if isinstance(error, kind)), "INTERNAL")
            why = str(error)
        except Exception as error:  # noqa: BLE001 - the outer handler: report, answer, live on
            _log.exception("%s/%s failed", method.service, method.name)
            code, why = "INTERNAL", f"{type(error).__name__}: {error}"
        await context.abort(getattr(grpc.StatusCode, code), why)

    return serve
