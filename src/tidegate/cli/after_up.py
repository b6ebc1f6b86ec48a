"""What `tidegate up` leaves behind when it becomes the keeper: says where the engine answers and
applies the documents. Ends with its keeper.

Started as `python -m tidegate.cli.after_up HOME [FILE...]`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from tidegate.cli.main import guarded
from tidegate.kit.home import Home

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """The exit code that nobody reads; errors are on stderr, where the keeper's are."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # the keeper ended before we asked to be told
        return 1
    from tidegate.cli.up import announce

    home = Home(Path(sys.argv[1]))
    return guarded(lambda: announce(home, sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
