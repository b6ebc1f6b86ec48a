"""`python -m tidegate.gateway`: the data plane process. Started by the keeper; alone only for tests.

The keeper says by `TIDEGATE_HOME` where things are and by `TIDEGATE_FDS` which listening sockets we hold.
"""

import argparse
import dataclasses
import logging
import os
import resource
import sys

import uvloop

from tidegate.gateway.process import serve
from tidegate.gateway.settings import Settings
from tidegate.gateway.sockets import listen_tcp
from tidegate.kit.home import home_from
from tidegate.kit.realtime import RealClock
from tidegate.link.sockets import inherited


def main() -> int:
    """Run until SIGTERM. 0: ended well; 2: not startable as asked."""
    parser = argparse.ArgumentParser(prog="python -m tidegate.gateway", description=__doc__)
    parser.add_argument("--home", help="the engine's folder; default: as TIDEGATE_HOME says")
    parser.add_argument("--listen", help="host:port, instead of a socket from the keeper")
    for field in dataclasses.fields(Settings):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=type(field.default), default=field.default)
    args = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sockets = inherited(os.environ)
    if args.listen:
        sockets["gateway"] = listen_tcp(args.listen)
    if "gateway" not in sockets:
        logging.getLogger(__name__).error(
            "no socket to listen on: start it by `tidegate up`, or give --listen 127.0.0.1:8080"
        )
        return 2
    settings = Settings(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Settings)})
    home = home_from(os.environ, args.home)
    home.make()
    _raise_file_limit()
    uvloop.run(serve(home, sockets, clock=RealClock(), settings=settings))
    return 0


def _raise_file_limit() -> None:
    """Each request in flight holds two descriptors; the soft limit is often 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
