"""Where a Knative Service answers: the gateway's address on this machine and the Host it goes by."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.engine import engine_of
from tidegate.cli.errors import CliError
from tidegate.cli.options import home_of


@dataclass(frozen=True, slots=True)
class Address:
    """`gateway` with Host `host`, or `by_path` for clients that can't set a Host header."""

    gateway: str  # http://127.0.0.1:8080
    host: str
    by_path: str  # http://127.0.0.1:8080/default/iris


def service_address(name: str, namespace: str, data_dir: str | None) -> Address:
    """The address of a service. Raises `NotFound`, and `CliError` while it has no URL yet."""
    home = home_of(data_dir)
    gateway = engine_of(home).gateway_url
    cluster = Cluster(home)
    kind = find_kind(cluster.resources(), "services.serving.knative.dev")
    live = cluster.read(kind, namespace, name)
    url = (live.get("status") or {}).get("url")
    if not url:
        raise CliError(
            f"service {name} in namespace {namespace} has no URL yet: "
            f"`tidegate describe ksvc {name}` says what it waits for"
        )
    return Address(gateway, urlsplit(url).netloc, f"{gateway}/{namespace}/{name}")
