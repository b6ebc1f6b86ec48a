"""A client is connected, and whether topics are there: asked by name, over the connections it has anyway.

Asking for all topics would be megabytes from a large cluster, every few seconds, and leaves out without a
word what this user may not see. Asking for one by the client's own calls might make it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

_CONNECT_S: Final = 15.0
"""A server that takes connections and says nothing hangs: then others of the list have their turn."""
_ANSWER_S: Final = 5.0
"""A broker that takes longer for this is no help: it hangs, or is about to."""


async def connected(client: Any) -> None:
    """Start a client (consumer, producer, admin). Raises KafkaError, OSError (TimeoutError is one)."""
    with _refusals():
        async with asyncio.timeout(_CONNECT_S):
            await client.start()


async def missing_of(client: Any, topics: Iterable[str]) -> list[str]:
    """Those that aren't there. Raises KafkaError (what this user may not see is one), TimeoutError."""
    request = MetadataRequest(sorted(set(topics)), allow_auto_topic_creation=False)
    answer = await _from_any(client, request)
    missing = []
    for topic in answer.to_object()["topics"]:
        kind, name = for_code(topic["error_code"]), topic["topic"]
        if kind is UnknownTopicOrPartitionError:
            missing.append(name)
        elif topic["error_code"] and kind is not LeaderNotAvailableError:  # that one is being made
            raise kind(f"topic {name}")
    return missing


async def _from_any(client: Any, request: Any) -> Any:
    """The answer of the first broker that gives one: one that is down says nothing of the topics."""
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    failure: Exception = NodeNotReadyError("no broker is known")
    for node in random.sample(nodes, len(nodes)):
        try:
            with _refusals():
                async with asyncio.timeout(_ANSWER_S):
                    return await client.send(node, request)
        except (KafkaError, TimeoutError) as why:
            failure = why
    raise failure


@contextmanager
def _refusals() -> Iterator[None]:
    """aiokafka takes a SCRAM server's refusal ("e=...") for a proof, and finds none in it."""
    try:
        yield
    except KeyError as why:
        raise AuthenticationFailedError("wrong user or password") from why
