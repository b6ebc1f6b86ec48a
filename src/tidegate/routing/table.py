"""Which route a request belongs to: exact host, then wildcard host, then any host; on our own address
by path or by the name of a model too.

There a service's own path goes before what somebody said about any host, if that is the less exact of
the two: a catch-all takes what nobody else would get, not the way to everything that is here.

Pure look-up. The gateway owns one `Table` and keeps it in step with the control plane, one route at a
time, so that a change among thousands of routes costs what that route costs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.routing.paths import EVERYWHERE, plain_path
from tidegate.routing.target import Target

_OPENAI: Final = b"/openai/v1/"  # the API of all models, on our own address
_MEMO_HOSTS: Final = 4096  # spellings of Host remembered; a client can invent them, so bounded


@dataclass(frozen=True, slots=True)
class Found:
    """Where a request goes. `cut` is how many bytes of its path are ours, to be cut off."""

    target: Target
    cut: int = 0


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What requests of one Host may be for, where the path must tell."""

    targets: tuple[Target, ...]  # the first whose path matches has it
    ours: bool  # the Host is our own address


class Table:
    """All routes of one gateway. Where two claim the same host and path, or the same model, the smaller
    key has it."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._exact: dict[str, list[Target]] = {}
        self._wild: dict[str, list[Target]] = {}  # by what follows `*.`; "": any host
        self._paths: dict[str, list[Target]] = {}
        self._models: dict[str, list[Target]] = {}
        # By Host as sent: what it is for whatever the path, and what the path must tell.
        self._memo: dict[bytes, Found] = {}
        self._several: dict[bytes, _Candidates] = {}

    def __len__(self) -> int:
        return len(self._targets)

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets.values())

    def get(self, key: str) -> Target | None:
        """The route of this key; None: there is none."""
        return self._targets.get(key)

    def put(self, target: Target) -> None:
        """Add a route, or replace the one of the same key."""
        self.remove(target.key)
        self._targets[target.key] = target
        for claims, name in self._places(target):
            claims.setdefault(name, []).append(target)
            claims[name].sort(key=lambda other: (other.path.rank, other.key))

    def remove(self, key: str) -> None:
        """Forget a route; nothing happens if there is none of that key."""
        self._memo.clear()
        self._several.clear()
        was = self._targets.pop(key, None)
        if was is None:
            return
        for claims, name in self._places(was):
            claims[name].remove(was)
            if not claims[name]:
                del claims[name]

    def find(self, host: bytes, path: bytes) -> Found | None:
        """The route for a Host header as sent (any case) and a path. None: nobody's."""
        return self._memo.get(host) or self._look_up(host, path)

    def _look_up(self, host: bytes, path: bytes) -> Found | None:
        several = self._several.get(host)
        if several is None:
            if len(self._memo) + len(self._several) >= _MEMO_HOSTS:
                self._memo.clear()
                self._several.clear()
            known = self._by_host(host)
            if isinstance(known, Found):
                self._memo[host] = known
                return known
            several = self._several[host] = known
        return self._by_path(several, path)

    def models(self) -> dict[str, Target]:
        """The names that the OpenAI API knows, and whose they are, in alphabetical order."""
        return {name: self._models[name][0] for name in sorted(self._models)}

    def by_model(self, name: str) -> Target | None:
        """Who serves a model; None: nobody."""
        claims = self._models.get(name)
        return claims[0] if claims else None

    def _places(self, target: Target) -> Iterator[tuple[dict[str, list[Target]], str]]:
        for host in dict.fromkeys(target.hosts):
            if host.startswith("*."):
                yield self._wild, host[2:]
            elif host:
                yield self._exact, host
            else:
                yield self._wild, ""
        if target.path_prefix is not None:
            yield self._paths, target.path_prefix.rstrip("/")
        for name in dict.fromkeys(target.models):
            yield self._models, name

    def _by_host(self, sent: bytes) -> Found | _Candidates:
        host = host_name(sent)
        targets: list[Target] = []
        for claims in self._claims(host, host_with_port(sent)):
            for target in claims:
                targets.append(target)
                if target.path == EVERYWHERE:  # nobody further down is ever asked
                    only = len(targets) == 1 and not ("" in target.hosts and is_loopback(host))
                    return Found(target) if only else _of_several(host, targets)
        return _of_several(host, targets)

    def _claims(self, host: str, with_port: str | None) -> Iterator[Iterable[Target]]:
        """Those with this very host, the port included before any port; then those with a wildcard, the
        longest first; then any host."""
        yield self._exact.get(with_port, ()) if with_port else ()
        yield self._exact.get(host, ()) if host else ()
        rest = host.partition(".")[2]
        yield self._wild.get(rest, ()) if rest else ()
        while "." in rest:
            rest = rest.partition(".")[2]
            yield [target for target in self._wild.get(rest, ()) if rest and not target.one_label]
        yield self._wild.get("", ())

    def _by_path(self, candidates: _Candidates, path: bytes) -> Found | None:
        hit = None
        if candidates.targets:
            plain = plain_path(path)
            hit = next((target for target in candidates.targets if target.path(plain)), None)
        if not candidates.ours or (hit is not None and "" not in hit.hosts):
            return None if hit is None else Found(hit)
        known = len(hit.path.path) if hit is not None else -1
        found = self._by_prefix(path)
        if found is not None and found.cut > known:
            return found
        if self._models and path.startswith(_OPENAI) and known < len(_OPENAI) - 1:
            return None
        return None if hit is None else Found(hit)

    def _by_prefix(self, path: bytes) -> Found | None:
        text = path.partition(b"?")[0].decode("latin-1") if self._paths else ""
        while text:  # the longest prefix wins
            if text in self._paths:
                return Found(self._paths[text][0], cut=len(text))
            text = text.rpartition("/")[0]
        return None


def _of_several(host: str, targets: list[Target]) -> _Candidates:
    return _Candidates(tuple(targets), ours=is_loopback(host))


def host_name(sent: bytes) -> str:
    """The host of a Host header: lower case, without port, final dot and IPv6 brackets."""
    text = sent.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def host_with_port(sent: bytes) -> str | None:
    """The host of a Host header with its port, `name:8080`; None: it has none, or is an IPv6 address."""
    text = sent.decode("latin-1").strip().lower()
    host, colon, port = text.partition(":")
    return f"{host.removesuffix('.')}:{port}" if colon and port.isdigit() else None


def is_loopback(host: str) -> bool:
    """Whether a host name stands for this machine itself: `localhost`, 127.0.0.0/8 or ::1."""
    if host in ("localhost", "::1"):
        return True
    parts = host.split(".")
    return parts[0] == "127" and len(parts) == 4 and all(part.isdigit() for part in parts)
