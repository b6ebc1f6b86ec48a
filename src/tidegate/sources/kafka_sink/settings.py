"""What the environment says: `K_SINK_CONFIG` (JSON); secrets as the source's."""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.sources.kafka.settings import Net, check_servers


class SinkSettings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`num_partitions` and `replication_factor` None: the topic is somebody else's to make."""

    bootstrap_servers: tuple[str, ...]
    topic: str
    content_mode: Literal["binary", "structured"] = "binary"
    num_partitions: int | None = None
    replication_factor: int | None = None
    net: Net = Net()

    def __post_init__(self) -> None:
        check_servers(self.bootstrap_servers)
        if not self.topic:
            raise ValueError("topic must not be empty")
        for name, number in (
            ("numPartitions", self.num_partitions),
            ("replicationFactor", self.replication_factor),
        ):
            if number is not None and number < 1:
                raise ValueError(f"{name} is at least 1")
