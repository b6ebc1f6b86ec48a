"""Clients of the brokers: how they are made, connected and ended, and whether topics are there.

Topics are asked for by name, over the connections that a client has anyway. Asking for all would be megabytes
from a large cluster, every few seconds, and leaves out without a word what this user may not see; asking for
one by the client's own calls might make it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from tidegate.sources.kafka.settings import SourceSettings

_NEVER_MS: Final = 2**31 - 1
"""For max.poll.interval: a slow handler is no reason to leave the group; heartbeats say we live."""
_CONNECT_S: Final = 15.0
"""A server that takes connections and says nothing hangs: then others of the list have their turn."""
_LEAVE_S: Final = 4.0
_ANSWER_S: Final = 5.0
"""A broker that takes longer for this is no help: it hangs, or is about to."""


log = logging.getLogger(__name__)


def new_consumer(settings: SourceSettings, security: Mapping[str, Any], *, drain_s: float) -> Any:
    """A consumer of the source's group, that commits nothing by itself."""
    return AIOKafkaConsumer(
        bootstrap_servers=list(settings.bootstrap_servers),
        group_id=settings.consumer_group,
        client_id="tidegate",
        enable_auto_commit=False,
        auto_offset_reset="none",  # `membership` says where to begin, `intake` where to go on
        partition_assignment_strategy=(StickyPartitionAssignor,),
        max_poll_interval_ms=_NEVER_MS,
        session_timeout_ms=int(settings.session_s * 1000),
        heartbeat_interval_ms=int(settings.session_s * 200),
        # The broker answers a JoinGroup when all members have handed back; a request that gave up
        # before would come again as a further member, for ever.
        rebalance_timeout_ms=int((drain_s + 10) * 1000),
        request_timeout_ms=int((drain_s + 20) * 1000),
        metadata_max_age_ms=30_000,
        fetch_max_wait_ms=250,
        consumer_timeout_ms=1_000,
        **security,
    )


async def left(consumer: Any) -> None:
    """Leave the group and disconnect, within the time that a pod has left."""
    try:
        async with asyncio.timeout(_LEAVE_S):
            await consumer.stop()
    except TimeoutError:
        log.warning("the group could not be told that this consumer leaves")


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
