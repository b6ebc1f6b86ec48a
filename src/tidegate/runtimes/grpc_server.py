"""A gRPC server beside the HTTP one, for the ports that a document has for it.

grpcio brings its own sockets and threads; what runs in our loop are the calls. It listens before HTTP
does: a probe of the HTTP port that succeeds means that both answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from tidegate.runtimes.errors import CannotListen, FrameworkMissing
from tidegate.runtimes.grpc_plan import GrpcPlan
from tidegate.runtimes.grpc_service import Method, Model, handlers

_GRACE_S = (
    5.0  # calls that are still open when the server ends; predictions were waited for already
)
_KSERVE_BYTES = 8 * 2**20  # KServe's default
_ANY_SIZE = -1


def load() -> None:
    """Import the libraries, which takes as long as a small model. Raises `FrameworkMissing`."""
    try:
        import google.protobuf  # noqa: F401
        import grpc.aio  # noqa: F401
    except ImportError as why:
        raise FrameworkMissing(why.name or "grpcio", extra="grpc") from why


async def open_grpc(plan: GrpcPlan, host: str, model: Model) -> Callable[[], Awaitable[None]]:
    """Listen and serve; gives what ends it. Raises `CannotListen`."""
    import grpc.aio

    default = _KSERVE_BYTES if plan.speaks == "v2" else _ANY_SIZE
    most = default if plan.most_bytes is None else plan.most_bytes
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", most),
        ]
    )
    server.add_generic_rpc_handlers(tuple(handlers(_methods(plan, model))))
    try:
        bound = server.add_insecure_port(f"{host}:{plan.port}")
    except RuntimeError as why:
        raise CannotListen(host, plan.port, str(why)) from why
    if not bound:
        raise CannotListen(host, plan.port, "it is taken")
    await server.start()

    async def close() -> None:
        await server.stop(_GRACE_S)

    return close


def _methods(plan: GrpcPlan, model: Model) -> Iterable[Method]:
    if plan.speaks == "tensorflow":
        from tidegate.runtimes.grpc_tf import TensorFlowServing

        return TensorFlowServing(model).methods()
    from tidegate.runtimes.grpc_v2 import Inference

    return Inference(model, always_raw=plan.speaks == "triton").methods()
