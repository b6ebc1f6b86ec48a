"""What the cache refuses or could not do. One sentence each: the object, what was wrong, the way out.

CacheError
  ├── BadSource       a URI or an option of it makes no sense              mend the document
  ├── NotThere        no such bucket, key, repository or file              mend the document
  ├── Refused         the store knows us not, or not for this              mend the keys
  ├── Unreachable     down, slow, answering 5xx, cut off                   later, by itself
  ├── Changed         the object changed while it was read, again and again later, by itself
  ├── Corrupt         what came is not what the store says it holds        later; ask its owner
  ├── BadArchive      a path that climbs out, a link out, a device         mend the archive
  ├── NoRoom          the disk is full, or the quota smaller than the model  make room
  ├── Held            in use or pinned: can't be removed                   end its users first
  └── Interrupted     the fetching process ended without an answer         later, by itself

None of them ever carries a key, a token or a signed URL.
"""

from __future__ import annotations

import errno

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How the kernel says that a write finds no room: the disk's, a quota's, a limit's."""


class CacheError(Exception):
    """What went wrong with one source. `again`: asking later may help though nobody mends anything."""

    again = False


class BadSource(CacheError):
    """The URI or its options can't be understood, or name something that isn't supported."""


class NotThere(CacheError):
    """The store answered: there is no such thing."""


class Refused(CacheError):
    """The store answered: not with these keys (or: not without keys)."""


class Unreachable(CacheError):
    """The store could not be reached, or gave up in the middle, every time we tried."""

    again = True


class Changed(CacheError):
    """The remote file became another one while it was read, more often than we start anew."""

    again = True


class Corrupt(CacheError):
    """The bytes that came don't have the checksum that the store states."""

    again = True


class BadArchive(CacheError):
    """An archive that would write outside its folder, or can't be read."""


class NoRoom(CacheError):
    """Neither the quota nor the disk holds it. `again`: others may free what they use."""

    again = True


class Held(CacheError):
    """Something uses or pins it."""


class Interrupted(CacheError):
    """The process that fetched ended before it could say why (killed, out of memory)."""

    again = True


KINDS: dict[str, type[CacheError]] = {
    kind.__name__: kind
    for kind in (
        BadSource,
        NotThere,
        Refused,
        Unreachable,
        Changed,
        Corrupt,
        BadArchive,
        NoRoom,
        Held,
        Interrupted,
    )
}
"""By name, as one process tells another."""
