"""What a batch run is sent to: a URL, or a service of this engine by its name."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from tidegate.cli.address import Named, address_of, named
from tidegate.cli.errors import CliError, Usage
from tidegate.link.keeper_call import KeeperCallFailed
from tidegate.model.errors import ApiError


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

    @property
    def model(self) -> str | None:
        """The model's name, unless it is told; None: a URL says none."""
        return self.name if self.service else None


def batch_target(
    text: str, namespace: str, data_dir: str | None, *, inside: bool, url: str | None = None
) -> BatchTarget:
    """The target of `[KIND/]SERVICE[/PATH]` or a URL. Raises `CliError`. `inside`: it is for a pod, and
    the service need not be there yet. `url`: where the service answers; None: as the engine says."""
    if "://" in text and url is not None:
        raise Usage(f"--url is for a service by its name, and {text} is a URL itself")
    if "://" in text:
        return _of_url(text)
    service = named(text)
    name = f"{service.name}:{service.port}" if service.port else service.name
    what = f"{service.kind or ''}/{namespace}/{name}"  # what a run that goes on must find again
    if url is not None:
        if not url.startswith(("http://", "https://")):
            raise Usage(f"--url {url}: write http://HOST[:PORT][/PATH]")
        return BatchTarget(url.rstrip("/"), None, url, service.name, what, service.path)
    if inside:
        url = _inside(service, namespace, data_dir)
        return BatchTarget(url, None, url, service.name, what, service.path)
    found = address_of(service, namespace, data_dir)
    what = f"{service.kind or found.kind}/{namespace}/{name}"
    return BatchTarget(
        found.gateway, found.host, f"http://{found.host}", service.name, what, service.path
    )


def _inside(service: Named, namespace: str, data_dir: str | None) -> str:
    """What pods call it; the usual name of one that can't be looked up yet."""
    try:
        return address_of(service, namespace, data_dir).inside
    except CliError as why:  # the engine answers: most likely the name is wrong
        print(f"Warning: {why}; the Job waits for it", file=sys.stderr)
    except (ApiError, KeeperCallFailed):
        pass
    host = f"{service.name}-predictor" if service.kind == "isvc" else service.name
    port = f":{service.port}" if service.port else ""
    return f"http://{host}.{namespace}.svc.cluster.local{port}"


def _of_url(text: str) -> BatchTarget:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Usage(f"{text!r}: write http://HOST[:PORT][/PATH] or a service's name")
    base = f"{parts.scheme}://{parts.netloc}"
    rest = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    return BatchTarget(base, None, base, parts.hostname or "", "", rest or None)
