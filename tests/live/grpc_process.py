"""A gRPC server and client without generated code: messages are bytes, methods have names.

The server runs in a process of its own (`python grpc_process.py PORT`), as replicas do.
"""

import asyncio
import sys

import grpc

SERVICE = "tide.Echo"


def say(line: str) -> None:
    """For the test that started us."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def unary(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    """Answers what it was asked, with what it saw in its trailers."""
    if request == b"fail":
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not like this: ü")
    if request == b"crash":
        raise RuntimeError("as asked")
    if request.startswith(b"sleep "):
        await asyncio.sleep(float(request[6:]))
    seen = dict(context.invocation_metadata())
    await context.send_initial_metadata((("x-early", "1"),))
    context.set_trailing_metadata(
        (("x-late", seen.get("x-sent", "")), ("x-from", seen.get("x-forwarded-for", "")))
    )
    return request


async def server_stream(request: bytes, context: grpc.aio.ServicerContext):
    """As many messages as asked for, of as many bytes; `-1`: until the client leaves."""
    count, size = (int(word) for word in request.split())
    sent = 0
    try:
        while sent != count:
            yield b"%d:" % sent + b"x" * size
            sent += 1
    finally:
        say(f"stream ended after {sent}")


async def client_stream(requests, context: grpc.aio.ServicerContext) -> bytes:
    """How many messages came, and of how many bytes; leaves off at `enough`."""
    count = size = 0
    async for request in requests:
        if request == b"enough":
            break
        count, size = count + 1, size + len(request)
    return b"%d %d" % (count, size)


async def both(requests, context: grpc.aio.ServicerContext):
    async for request in requests:
        yield request


def handlers() -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Down": grpc.unary_stream_rpc_method_handler(server_stream),
            "Up": grpc.stream_unary_rpc_method_handler(client_stream),
            "Both": grpc.stream_stream_rpc_method_handler(both),
        },
    )


async def main() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handlers(),))
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    assert port
    await server.start()
    say(f"listening on {port}")
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
