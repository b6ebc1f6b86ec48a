"""Offsets of a consumer group, from the brokers themselves.

Each reading connects anew: it is one every ten seconds or so, a connection kept would be lost with the
broker unnoticed, and the client's own tasks would have no owner. The client is imported when the first
trigger needs it: an engine without Kafka doesn't carry it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tidegate.autoscale.keda.lags import Access, NoOffsets
from tidegate.scaling.kafka_lag import Offsets

_WHOLE_S, _REQUEST_MS = 6.0, 3000
_LATEST = -1  # the offset behind the last event, in place of a time
_COORDINATES_GROUPS = 0


class BrokerOffsets:
    """Asks with aiokafka (extra `kafka`)."""

    async def read(self, access: Access, group: str, topics: Sequence[str]) -> Sequence[Offsets]:
        """Raises `NoOffsets`."""
        at = ",".join(access.servers)
        try:
            from aiokafka.errors import KafkaError
        except ImportError as why:
            raise NoOffsets("reading lag needs the extra: pip install 'tidegate[kafka]'") from why
        # Its own log repeats at level ERROR what the condition says.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        try:
            async with asyncio.timeout(_WHOLE_S), _connected(access) as client:
                committed = await _committed(client, group, topics)
                partitions = await _partitions(client, topics or {topic for topic, _ in committed})
                ends = await _ends(client, partitions)
        except TimeoutError as why:
            raise NoOffsets(f"{at} did not answer within {_WHOLE_S:g} s") from why
        except LookupError as why:  # the client reads a refusal of SCRAM as a proof, and finds none
            raise NoOffsets(f"{at} does not take the credentials") from why
        except (KafkaError, OSError, ValueError) as why:
            if isinstance(why, NoOffsets):
                raise
            raise NoOffsets(f"{at}: {_said(why, access)}") from why
        return [
            Offsets(topic, number, committed.get((topic, number)), end)
            for (topic, number), end in sorted(ends.items())
        ]


@asynccontextmanager
async def _connected(access: Access) -> AsyncIterator[Any]:
    from aiokafka.client import AIOKafkaClient

    protocol = "SASL_" if access.sasl else ""
    protocol += "SSL" if access.tls else "PLAINTEXT"
    client = AIOKafkaClient(
        bootstrap_servers=list(access.servers),
        client_id="tidegate-lag",
        request_timeout_ms=_REQUEST_MS,
        security_protocol=protocol,
        ssl_context=_tls(access) if access.tls else None,
        sasl_mechanism=access.sasl or "PLAIN",
        sasl_plain_username=access.username,
        sasl_plain_password=access.password,
    )
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


def _tls(access: Access) -> ssl.SSLContext:
    """Raises `ValueError`, `OSError`: what is no certificate."""
    context = ssl.create_default_context(cadata=access.ca)
    if access.cert and access.key:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:  # of mode 0600
            pem.write(f"{access.cert}\n{access.key}\n")
            pem.flush()
            context.load_cert_chain(pem.name, password=access.key_password)
    return context


Place = tuple[str, int]


async def _partitions(client: Any, topics: Sequence[str] | set[str]) -> list[Place]:
    """A topic that isn't there is an error, not made."""
    from aiokafka.errors import for_code
    from aiokafka.protocol.metadata import MetadataRequest

    request = MetadataRequest(sorted(topics), allow_auto_topic_creation=False)
    answer = await client.send(client.get_random_node(), request)
    client.cluster.update_metadata(answer)
    found: list[Place] = []
    for topic in answer.to_object()["topics"]:
        if topic["error_code"]:
            kind = for_code(topic["error_code"])
            raise NoOffsets(f'topic "{topic["topic"]}": {kind.message or kind.__name__}')
        found += [(topic["topic"], part["partition"]) for part in topic["partitions"]]
    missing = set(topics) - {topic for topic, _ in found}
    if missing:
        raise NoOffsets(f'topic "{min(missing)}" has no partitions')
    return found


async def _committed(client: Any, group: str, topics: Sequence[str]) -> dict[Place, int]:
    """Where the group is, on those partitions that it committed on."""
    from aiokafka.errors import for_code
    from aiokafka.protocol.commit import OffsetFetchRequest
    from aiokafka.protocol.coordination import FindCoordinatorRequest

    found = await client.send(
        client.get_random_node(), FindCoordinatorRequest(group, _COORDINATES_GROUPS)
    )
    if found.error_code:
        raise NoOffsets(f"no coordinator of the group: {for_code(found.error_code).__name__}")
    asked = None
    if topics:
        by_topic: dict[str, list[int]] = defaultdict(list)
        for topic, number in await _partitions(client, topics):
            by_topic[topic].append(number)
        asked = sorted(by_topic.items())
    answer = await client.send(found.coordinator_id, OffsetFetchRequest(group, asked))
    committed: dict[Place, int] = {}
    for topic, parts in answer.topics:
        for number, offset, _, error, *_ in parts:
            if error:
                raise NoOffsets(f"{topic}/{number}: {for_code(error).__name__}")
            if offset >= 0:
                committed[topic, number] = offset
    return committed


async def _ends(client: Any, partitions: Sequence[Place]) -> dict[Place, int]:
    """The end of each partition, from the brokers that lead them."""
    from aiokafka.errors import for_code
    from aiokafka.protocol.offset import OffsetRequest
    from aiokafka.structs import TopicPartition

    by_leader: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for topic, number in partitions:
        leader = client.cluster.leader_for_partition(TopicPartition(topic, number))
        if leader is None or leader < 0:
            raise NoOffsets(f"{topic}/{number} has no leader now")
        by_leader[leader][topic].append((number, _LATEST))
    ends: dict[Place, int] = {}
    for leader, asked in by_leader.items():
        answer = await client.send(leader, OffsetRequest(-1, 0, sorted(asked.items())))
        for topic, parts in answer.topics:
            for number, error, *rest in parts:
                if error:
                    raise NoOffsets(f"{topic}/{number}: {for_code(error).__name__}")
                ends[topic, number] = rest[-1] if isinstance(rest[-1], int) else rest[-1][0]
    return ends


def _said(why: BaseException, access: Access) -> str:
    """The client tells a refused password or certificate from a closed port in its log only."""
    if "Unable to bootstrap" not in str(why):
        return str(why) or type(why).__name__
    doubts = [
        *(["none takes the credentials"] if access.sasl else ()),
        *(["none shows a certificate that is trusted"] if access.tls else ()),
    ]
    return ", or ".join(("no broker can be reached", *doubts))
