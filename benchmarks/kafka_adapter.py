"""The Kafka adapter: CPU per event, and what is lost or repeated while consumers come and go.

    python benchmarks/kafka_adapter.py cpu [--events N] [--rounds N]
    python benchmarks/kafka_adapter.py churn [--events N] [--handler SECONDS] [--every SECONDS] [--kill] [--forgetful]

`cpu`: utime + stime of the adapter's process from the first event to the last, divided by the events; the sink
answers at once, broker and sink are other processes. `churn`: unordered, 100 in flight in each consumer; every so
many seconds a consumer joins or leaves, in turn (`--kill`: leaves by kill -9). `--forgetful`: the broker without
the proxy that keeps commit metadata as Kafka does.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager

import psutil

from tidegate.testing.broker import running_broker
from tidegate.testing.kafka_proxy import remembering_broker
from tidegate.testing.kafka_rig import Process, Rig, rig, until


async def cpu(events: int, ordering: str) -> float:
    """Milliseconds of CPU for one event."""
    with running_broker() as broker:
        async with rig(broker.address) as kafka:
            await kafka.make_topic(partitions=4)
            source = await kafka.source(ordering=ordering)
            await until(source.ready, "the adapter consumes")
            process = psutil.Process(source.process.pid)
            await kafka.produce([b"warm %d" % n for n in range(500)])
            await until(lambda: len(kafka.sink.got) >= 500, "it is warm")
            before, came = process.cpu_times(), len(kafka.sink.got)
            body = b"x" * 200
            await kafka.produce([b"%09d" % n + body for n in range(events)], key=lambda v: v[:9])
            await until(lambda: len(kafka.sink.got) >= came + events, "all events", at_most_s=120)
            after = process.cpu_times()
            spent = after.user + after.system - before.user - before.system
            return spent / events * 1000


async def churn(args: argparse.Namespace) -> None:
    """All events through while consumers come and go."""
    async with AsyncExitStack() as stack:
        if args.forgetful:
            address = stack.enter_context(running_broker()).address
        else:
            address = (await stack.enter_async_context(remembering_broker())).address
        kafka = await stack.enter_async_context(rig(address))
        await kafka.make_topic(partitions=12)

        async def slow(_request: object) -> int:
            await asyncio.sleep(args.handler)
            return 200

        kafka.sink.rule = slow
        await kafka.produce([b"%06d" % n for n in range(args.events)])
        began = time.monotonic()
        async with comings_and_goings(kafka, args) as seen:
            await until(lambda: len(kafka.sink.bodies) == args.events, "all events", at_most_s=3600)
        took, got = time.monotonic() - began, len(kafka.sink.got)
        twice = got - args.events
        print(
            f"{args.events} events, handler {args.handler:g} s: lost {args.events - len(kafka.sink.bodies)}, "
            f"repeated {twice} ({twice / args.events:.2%}), {took:.0f} s, most in flight "
            f"{kafka.sink.most_busy}, joined {seen['joined']}, left {seen['left']}"
        )


@asynccontextmanager
async def comings_and_goings(kafka: Rig, args: argparse.Namespace):
    """One consumer stays; others join and leave in turn, one change every so many seconds."""
    seen = {"joined": 1, "left": 0}
    settings = {"ordering": "unordered", "sessionS": 6}
    await kafka.source(**settings)
    guests: list[Process] = []

    async def play() -> None:
        while True:
            await asyncio.sleep(args.every)
            if len(guests) < 2 and seen["joined"] <= seen["left"] + 2:
                guests.append(await kafka.source(**settings))
                seen["joined"] += 1
            else:
                await guests.pop(0).end(signal.SIGKILL if args.kill else signal.SIGTERM)
                seen["left"] += 1

    playing = asyncio.ensure_future(play())
    try:
        yield seen
    finally:
        playing.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("cpu", "churn"), default="cpu")
    parser.add_argument("--events", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--handler", type=float, default=3.0)
    parser.add_argument("--every", type=float, default=20.0)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--forgetful", action="store_true")
    args = parser.parse_args()
    if args.what == "churn":
        args.events = args.events or 10_000
        asyncio.run(churn(args))
        return
    for ordering in ("ordered", "unordered"):
        each = [asyncio.run(cpu(args.events or 20_000, ordering)) for _ in range(args.rounds)]
        print(
            f"{ordering}: {statistics.median(each):.3f} ms CPU per event "
            f"({min(each):.3f} to {max(each):.3f})"
        )


if __name__ == "__main__":
    main()
