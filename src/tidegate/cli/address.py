"""Where a service of this engine answers: the gateway's address, and the Host that leads to the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.engine import engine_of
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import home_of
from tidegate.model.errors import NotFound

_KINDS: Final = {
    "ksvc": "services.serving.knative.dev",
    "isvc": "inferenceservices.serving.kserve.io",
    "svc": "services",
    "service": "services",
}
_TRIED: Final = ("ksvc", "isvc", "svc")  # where no kind is said, in this order


@dataclass(frozen=True, slots=True)
class Named:
    """`[KIND/]NAME[:PORT][/PATH]` of a command line. `kind` None: any that is there; `path` None: none was
    said. Only a Service has a port, so a port makes it one."""

    kind: str | None
    name: str
    port: str
    path: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """`gateway` with Host `host`, or `by_path` for clients that can't set a Host header."""

    kind: str  # ksvc, isvc or svc
    gateway: str  # http://127.0.0.1:8080
    host: str
    by_path: str  # http://127.0.0.1:8080/default/iris
    inside: str  # what pods call it: http://iris.default.svc.cluster.local


def named(text: str) -> Named:
    """What the words mean. Raises `Usage`."""
    first, slash, rest = text.partition("/")
    kind = first if slash and first in _KINDS else None
    if kind is not None:
        first, slash, rest = rest.partition("/")
    name, _, port = first.partition(":")
    if not name:
        raise Usage(f"{text!r} names no service: SERVICE, or isvc/NAME, ksvc/NAME, svc/NAME")
    if port and kind in ("ksvc", "isvc"):
        raise Usage(f"{text!r}: only a Service has ports to choose from, svc/{first}")
    kind = "svc" if port else kind
    return Named(kind, name, port, f"/{rest}" if slash and rest else None)


def address_of(service: Named, namespace: str, data_dir: str | None) -> Address:
    """Its address. Raises `CliError` when it isn't there or has no URL yet, and `NoEngine`."""
    home = home_of(data_dir)
    gateway = engine_of(home).gateway_url
    cluster = Cluster(home)
    known = cluster.resources()
    for kind in (service.kind,) if service.kind else _TRIED:
        try:
            live = cluster.read(find_kind(known, _KINDS[kind]), namespace, service.name)
        except NotFound:
            continue
        host = _host(kind, live, service, namespace)
        path = f"{gateway}/{namespace}/{_route(kind, live, service)}"
        inside = _inside(kind, live, service, namespace)
        return Address("svc" if kind == "service" else kind, gateway, host, path, inside)
    what = f"{service.kind}/{service.name}" if service.kind else f"service {service.name}"
    tried = service.kind or ",".join(_TRIED)
    raise CliError(
        f"there is no {what} in namespace {namespace}: `tidegate get {tried}` shows what is there"
    )


def _host(kind: str, live: dict[str, Any], service: Named, namespace: str) -> str:
    if _KINDS[kind] == "services":
        port = f":{service.port}" if service.port else ""
        return f"{service.name}.{namespace}.svc.cluster.local{port}"
    url = (live.get("status") or {}).get("url")
    if not url:
        raise CliError(
            f"{kind} {service.name} in namespace {namespace} has no URL yet: "
            f"`tidegate describe {kind} {service.name}` says what it waits for"
        )
    return urlsplit(str(url)).netloc


def _inside(kind: str, live: dict[str, Any], service: Named, namespace: str) -> str:
    found = ((live.get("status") or {}).get("address") or {}).get("url")
    if found and kind == "isvc":  # that of its component in front
        return str(found).rstrip("/")
    port = f":{service.port}" if service.port else ""
    return f"http://{service.name}.{namespace}.svc.cluster.local{port}"


def _route(kind: str, live: dict[str, Any], service: Named) -> str:
    """The last word of its path at the gateway: an InferenceService answers by what stands in front."""
    if kind == "isvc":
        components = (live.get("status") or {}).get("components") or {}
        return f"{service.name}-{'transformer' if 'transformer' in components else 'predictor'}"
    # Port 80 has the bare path, as it has the bare host.
    return service.name if service.port in ("", "80") else f"{service.name}:{service.port}"
