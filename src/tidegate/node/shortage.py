"""Errors of the system that tell of this machine, not of what was tried: no room, no descriptors, no memory."""

from __future__ import annotations

import errno

_SHORT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
)


def is_short(number: int | None) -> bool:
    """Whether an errno is one of those. Trying again later may help; counting it as a failure would not."""
    return number in _SHORT
