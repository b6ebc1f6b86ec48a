"""Which route a request belongs to: exact host, then wildcard host, then path on our own address.

Pure look-up. The gateway owns one `Table` and keeps it in step with the control plane, one route at a
time, so that a change among thousands of routes costs what that route costs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.routing.split import Split

_MEMO_HOSTS: Final = 4096  # spellings of Host remembered; a client can invent them, so bounded


@dataclass(frozen=True, slots=True)
class Target:
    """A route as requests see it. `split` is shared by all requests of the route."""

    key: str
    hosts: tuple[str, ...]  # lower case, no port; `*.x` stands for one or more labels before `.x`
    split: Split
    path_prefix: str | None = None  # `/<namespace>/<name>`; None: reached by host only
    trouble: str | None = None  # why nothing serves it yet


@dataclass(frozen=True, slots=True)
class Found:
    """Where a request goes. `cut` is how many bytes of its path are ours, to be cut off."""

    target: Target
    cut: int = 0


class Table:
    """All routes of one gateway. Where two claim the same host or path, the smaller key has it."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._exact: dict[str, list[Target]] = {}
        self._wild: dict[str, list[Target]] = {}  # by what follows `*.`
        self._paths: dict[str, list[Target]] = {}
        self._memo: dict[
            bytes, tuple[Found | None, bool]
        ] = {}  # Host -> by host, is it our own address

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
            claims[name].sort(key=lambda other: other.key)

    def remove(self, key: str) -> None:
        """Forget a route; nothing happens if there is none of that key."""
        self._memo.clear()
        was = self._targets.pop(key, None)
        if was is None:
            return
        for claims, name in self._places(was):
            claims[name].remove(was)
            if not claims[name]:
                del claims[name]

    def find(self, host: bytes, path: bytes) -> Found | None:
        """The route for a Host header as sent (any case, port ignored) and a path. None: nobody's."""
        known = self._memo.get(host)
        if known is None:
            known = self._by_host(host)
            if len(self._memo) >= _MEMO_HOSTS:
                self._memo.clear()
            self._memo[host] = known
        found, ours = known
        if found is None and ours:
            return self._by_path(path)
        return found

    def _places(self, target: Target) -> Iterator[tuple[dict[str, list[Target]], str]]:
        for host in dict.fromkeys(target.hosts):
            yield (self._wild, host[2:]) if host.startswith("*.") else (self._exact, host)
        if target.path_prefix is not None:
            yield self._paths, target.path_prefix.rstrip("/")

    def _by_host(self, sent: bytes) -> tuple[Found | None, bool]:
        host = host_name(sent)
        ours = is_loopback(host)
        if host in self._exact:
            return Found(self._exact[host][0]), ours
        rest = host
        while "." in rest:  # the longest wildcard wins
            rest = rest.partition(".")[2]
            if rest in self._wild:
                return Found(self._wild[rest][0]), ours
        return None, ours

    def _by_path(self, path: bytes) -> Found | None:
        if not self._paths:
            return None
        text = path.partition(b"?")[0].decode("latin-1")
        while text:  # the longest prefix wins
            if text in self._paths:
                return Found(self._paths[text][0], cut=len(text))
            text = text.rpartition("/")[0]
        return None


def host_name(sent: bytes) -> str:
    """The host of a Host header: lower case, without port, final dot and IPv6 brackets."""
    text = sent.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether a host name stands for this machine itself: `localhost`, 127.0.0.0/8 or ::1."""
    if host in ("localhost", "::1"):
        return True
    parts = host.split(".")
    return parts[0] == "127" and len(parts) == 4 and all(part.isdigit() for part in parts)
