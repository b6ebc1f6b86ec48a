"""`python -m tidegate.app`: the control plane. Started by the keeper, which says by `TIDEGATE_HOME`
where things are and by `TIDEGATE_FDS` which listening socket is the API's."""

import logging
import os
import sys
from pathlib import Path

import uvloop

from tidegate.app.control_plane import run
from tidegate.kit.home import home_from
from tidegate.kit.realtime import RealClock
from tidegate.link.sockets import inherited
from tidegate.model.errors import StorageFull
from tidegate.store import StoreError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def main() -> int:
    """Run until SIGTERM. 0: ended well; 1: it can't start now, the keeper tries again; 2: not startable as
    asked."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sockets = inherited(os.environ)
    if "api" not in sockets:
        logging.getLogger(__name__).error(
            "no socket to listen on: the control plane is started by `tidegate up`"
        )
        return 2
    home = home_from(os.environ)
    boot = BOOT_ID.read_text().strip()
    try:
        home.make()
        uvloop.run(run(home, sockets, RealClock(), boot=boot))
    except (StoreError, StorageFull, OSError) as why:  # once it runs, such errors end in its tasks
        logging.getLogger(__name__).error("the control plane can't start: %s", why)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
