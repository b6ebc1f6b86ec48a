"""What a batch run is sent to: a URL, or a service of this engine by its name."""

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
    "service": "services",
    "svc": "services",
}


@dataclass(frozen=True, slots=True)
class BatchTarget:
    """Where rows go. `url` has no path of a request yet; `inside` is what a pod of this engine calls it;
    `path` None: the protocol's usual one."""

    url: str
    host: str | None
    inside: str
    name: str
    service: str  # what it is, whatever its address: empty for a URL
    path: str | None


def batch_target(
    text: str, namespace: str, data_dir: str | None, *, inside: bool, url: str | None = None
) -> BatchTarget:
    """The target of `[KIND/]SERVICE[/PATH]` or a URL. Raises `CliError`. `inside`: it is for a pod, and
    the service need not be there yet. `url`: where the service answers; None: as the engine says."""
    if "://" in text and url is not None:
        raise Usage(f"--url is for a service by its name, and {text} is a URL itself")
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Usage(f"{text!r}: write http://HOST[:PORT][/PATH] or a service's name")
        base = f"{parts.scheme}://{parts.netloc}"
        rest = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        return BatchTarget(base, None, base, parts.hostname or "", "", rest or None)
    kind, name, path = _parted(text)
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise Usage(f"--url {url}: write http://HOST[:PORT][/PATH]")
        return BatchTarget(
            url.rstrip("/"), None, url, name, f"{kind or ''}/{namespace}/{name}", path
        )
    if inside:
        host = f"{name}-predictor" if kind == "isvc" else name
        url = f"http://{host}.{namespace}.svc.cluster.local"
        return BatchTarget(url, None, url, name, f"{kind or ''}/{namespace}/{name}", path)
    return _of_engine(kind, name, namespace, data_dir, path)


def _parted(text: str) -> tuple[str | None, str, str | None]:
    first, slash, rest = text.partition("/")
    kind = first if slash and first in _KINDS else None
    if kind is not None:
        first, slash, rest = rest.partition("/")
    if not first:
        raise Usage(f"{text!r} names no service: SERVICE, or isvc/NAME, ksvc/NAME, svc/NAME")
    return kind, first, f"/{rest}" if slash and rest else None


def _of_engine(
    kind: str | None, name: str, namespace: str, data_dir: str | None, path: str | None
) -> BatchTarget:
    home = home_of(data_dir)
    gateway = engine_of(home).gateway_url
    cluster = Cluster(home)
    resources = cluster.resources()
    bare, _, port = name.partition(":")
    for one in [kind] if kind else ["ksvc", "isvc", "svc"]:
        try:
            live = cluster.read(find_kind(resources, _KINDS[one]), namespace, bare)
        except NotFound:
            continue
        host = _host(one, live, bare, namespace, port)
        service = f"{one}/{namespace}/{name}"
        return BatchTarget(gateway, host, f"http://{host}", bare, service, path)
    what = f"{kind}/{bare}" if kind else f"service {bare} (ksvc, isvc or svc)"
    raise CliError(
        f"there is no {what} in namespace {namespace}: `tidegate get ksvc,isvc,svc` shows what is there"
    )


def _host(kind: str, live: dict[str, Any], name: str, namespace: str, port: str) -> str:
    if kind in ("svc", "service"):
        return f"{name}.{namespace}.svc.cluster.local" + (f":{port}" if port else "")
    url = (live.get("status") or {}).get("url")
    if not url:
        raise CliError(
            f"{kind} {name} in namespace {namespace} has no URL yet: `tidegate describe {kind} {name}`"
            " says what it waits for"
        )
    return urlsplit(str(url)).netloc
