"""Whether a request's path is in the part of a host that a route serves, as Ingress means it.

Compared is what a path means, not how it is spelled: percent-escapes are read, dot segments resolved
and repeated slashes taken as one, as nginx does before it looks for a location. So nobody gets to a
part of a service that a route doesn't offer by writing `/public/../admin`.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_MANY_SLASHES: Final = re.compile(r"//+")


@dataclass(frozen=True, slots=True)
class PathMatch:
    """A part of a host: `path` by whole elements, or `exact` to the letter. `path` "" is everything."""

    path: str = ""  # no final slash, unless exact
    exact: bool = False

    def __call__(self, path: str) -> bool:
        """Whether it has this path, as `plain_path` gives it."""
        if self.exact:
            return path == self.path
        mine = self.path
        return path.startswith(mine) and (len(path) == len(mine) or path[len(mine)] == "/")

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the longest first, and of one length the exact one."""
        return -len(self.path), not self.exact


EVERYWHERE: Final = PathMatch()


def path_match(path: str | None, *, exact: bool = False) -> PathMatch:
    """The match of an Ingress path; None: all paths."""
    if path is None:
        return EVERYWHERE
    whole = plain_path(path.encode())
    return PathMatch(whole, exact=True) if exact else PathMatch(whole.rstrip("/"))


def plain_path(target: bytes) -> str:
    """What a request target's path means: without query, escapes, dot segments and double slashes."""
    path = target.partition(b"?")[0]
    if b"%" in path:
        path = unquote_to_bytes(path)
    text = path.decode("utf-8", "surrogateescape")
    if "//" in text:
        text = _MANY_SLASHES.sub("/", text)
    if "/." not in text:
        return text
    out: list[str] = []
    segments = text.split("/")
    for segment in segments[1:]:
        if segment == "..":
            if out:
                out.pop()
        elif segment != ".":
            out.append(segment)
    ends = "/" if segments[-1] in (".", "..") and out and out[-1] else ""
    return "/" + "/".join(out) + ends
