"""What the plane finds around it: who measures, keeps, fetches and pulls on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Protocol

from tidegate.autoscale.hpa.gpu import GpuSource
from tidegate.autoscale.hpa.resources import UsageSource
from tidegate.autoscale.keda import OffsetSource
from tidegate.controllers.fluid import DatasetCaches, DatasetFolders
from tidegate.controllers.image_cache import Images
from tidegate.controllers.kafka import Reports
from tidegate.controllers.prefetch import Warmer
from tidegate.controllers.storage import VolumeFolders
from tidegate.ingress.balancers import GatewayAddress
from tidegate.ingress.certificates import Issue


class Caches(DatasetCaches, Warmer, Protocol):
    """What holds data of other machines."""

    @property
    def look_ahead_s(self) -> float:
        """How long before a scheduled scale-up its data is fetched; 0: not at all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All of it may be missing; the plane then does without."""

    gateway: GatewayAddress | None = None
    """Where clients reach the gateway; None: it can't be reached, so no Service says how."""
    dialled: str | None = None
    """The gateway's `host:port` for pods of this machine; None: not known, so that events go to URLs
    outside only."""
    issue: Issue | None = None
    """Who makes certificates for hosts that bring none; None: the gateway offers no HTTPS."""
    home: Path | None = None
    """The engine's folder, where OpenAI's files and batches are kept; None: there are none."""
    volumes: VolumeFolders | None = None
    """Where claims get their folders; None: they wait for volumes that somebody makes."""
    datasets: DatasetFolders | None = None
    """Where datasets lead to their data; None: none is bound."""
    caches: Caches | None = None
    """What holds data of other machines; None: none is fetched."""
    images: Images | None = None
    """Who pulls images ahead; None: image caches stay as they are."""
    usage: UsageSource | None = None
    """Who measures the pods' processes; None: nobody does."""
    gpu: GpuSource | None = None
    """Who measures their share of a card; None: nobody does."""
    reports: Reports | None = None
    """Who asks Kafka's adapters how they are; None: nobody."""
    offsets: OffsetSource | None = None
    """Who knows how far a topic and a group are; None: the brokers themselves are asked."""
    zone: tzinfo = UTC
    """What schedules that name none are in."""
