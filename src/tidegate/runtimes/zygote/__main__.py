"""`python -m tidegate.runtimes.zygote <module of a server>`: started by the keeper, ends with it."""

from __future__ import annotations

import gc
import os
import socket
import sys
from argparse import ArgumentParser

from tidegate.link.keeper import ZYGOTE_FD
from tidegate.runtimes.cpus import limit_math_threads
from tidegate.runtimes.zygote.births import wait_for_birth
from tidegate.runtimes.zygote.child import run
from tidegate.runtimes.zygote.face import Face, put_on
from tidegate.runtimes.zygote.preload import RUNTIMES, CannotFork, check_alone, main_of, preload
from tidegate.runtimes.zygote.warm import warm_of

ROOM = "TIDEGATE_ROOM"  # environment: only there to be written over by the children's own
CANNOT_FORK = 3


def main() -> int:
    """0: the keeper is gone. CANNOT_FORK: no child would be sound, and stderr says why. In a child: its own."""
    asked = _read(sys.argv[1:])
    if ZYGOTE_FD not in os.environ:
        _say("it is started by the engine's keeper, not by hand")
        return 2
    keeper = socket.socket(fileno=int(os.environ[ZYGOTE_FD]))
    os.set_inheritable(keeper.fileno(), False)
    face = Face.own()
    environ = {k: v for k, v in os.environ.items() if k not in (ROOM, ZYGOTE_FD)}
    put_on(face, ("tidegate zygote:", asked.module.rpartition(".")[2]), environ)
    if not sys.flags.safe_path:
        del sys.path[0]  # our folder; a child has its own
    gc.disable()
    limit_math_threads(os.environ, 1)  # set again in the child
    try:
        failed = preload((*RUNTIMES[asked.module], main_of(asked.module), *asked.preload))
    except CannotFork as why:
        _say(str(why))
        return CANNOT_FORK
    for sentence in failed:
        _say(sentence)
    warm = warm_of(asked.module)
    try:
        warm()
        check_alone(f"warming {asked.module}")
    except CannotFork as why:
        _say(str(why))
        return CANNOT_FORK
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    born = wait_for_birth(keeper, face, warm)
    if born is None:
        return 0
    return run(born, asked.module)


class _Asked:
    module: str
    preload: list[str]


def _read(argv: list[str]) -> _Asked:
    parser = ArgumentParser(prog="zygote", description=__doc__)
    parser.add_argument("module", choices=sorted(RUNTIMES))
    parser.add_argument("--preload", type=lambda text: text.split(","), default=[])
    parser.add_argument("--room", help="only there to be written over")
    return parser.parse_args(argv, namespace=_Asked())


def _say(text: str) -> None:
    sys.stderr.write(f"zygote: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
