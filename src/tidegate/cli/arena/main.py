"""The program `arena`, and `tidegate arena`: finds the command and runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tidegate.cli.arena.log import LEVELS, Log
from tidegate.cli.arena.manage import delete_jobs, get_job, list_jobs, show_logs, update_job
from tidegate.cli.arena.submit import submit
from tidegate.cli.arena.traffic import split_traffic
from tidegate.cli.arena.types import REFUSED, TYPES, type_named
from tidegate.cli.cluster import Cluster
from tidegate.cli.errors import Usage
from tidegate.cli.main import guarded
from tidegate.cli.options import home_of
from tidegate.kit.clock import Clock
from tidegate.kit.realtime import RealClock

_HELP = """arena: submit and manage serving jobs, as Arena's command line does.

Usage: arena serve COMMAND [FLAGS]

Submit a job:
  tensorflow, triton, custom, kserve

Manage jobs:
  list          List serving jobs.
  get           Show one serving job and its instances.
  logs          Print an instance's log.
  update TYPE   Change a job.
  delete        Delete jobs.
  traffic-router-split
                Share a job's requests out between its versions.

Example: arena serve kserve --name=iris --image=kserve/sklearnserver:v0.12.0 --cpu=1 --memory=200Mi \\
           "python -m sklearnserver --model_name=iris --model_dir=/models --http_port=8080"

`arena serve COMMAND --help` lists the flags. It talks to the engine of TIDEGATE_HOME, or to the
cluster of --config FILE. Training jobs are not served here."""
_ALIASES = {"ls": "list", "log": "logs", "del": "delete"}
_TRAFFIC = (
    "traffic-split",
    "trs",
    "traffic-router",
    "traffic-router-split",
    "traffic-shift",
    "traffic-shifting",
)
_WITH_VALUE = ("--loglevel", "--arena-namespace", "--config")
_WITHOUT = ("--pprof", "--trace")
_REFUSED = {"--helm-binary": "no chart is run here: leave it out"}
_NAMESPACE = ("-n", "--namespace")


def main(argv: Sequence[str] | None = None) -> int:
    """The console script: one command line (None: this process's); the exit code."""
    return guarded(lambda: arena(list(sys.argv[1:] if argv is None else argv)))


def arena(argv: Sequence[str], clock: Clock | None = None) -> int:
    """One command. Raises `CliError`, `ApiError`."""
    clock = clock or RealClock()
    known, words = _global_flags(argv)
    level = known.get("--loglevel", "info")
    if level not in LEVELS:
        raise Usage(f"--loglevel {level!r}: {', '.join(LEVELS)}")
    if not words or words[0] in ("--help", "-h", "help") or words[1:] in ([], ["--help"], ["-h"]):
        if words and words[0] not in ("serve", "--help", "-h", "help"):
            raise Usage(f"arena {words[0]}: only `arena serve` is known here")
        print(_HELP)
        return 0
    if words[0] != "serve":
        raise Usage(f"arena {words[0]}: only `arena serve` is known here")
    command, rest = _ALIASES.get(words[1], words[1]), words[2:]
    log = Log(clock, level)
    return _serve(command, rest, known.get("--config"), log, clock)


def _serve(command: str, rest: list[str], config: str | None, log: Log, clock: Clock) -> int:
    def cluster() -> Cluster:
        kubeconfig = Path(config).expanduser() if config else home_of(None).kubeconfig
        return Cluster.of_kubeconfig(kubeconfig)

    if command in _TRAFFIC:
        return split_traffic(rest, cluster, log)
    if command == "attach":
        raise Usage("arena serve attach: use `kubectl exec -it POD -- sh`")
    if command == "list":
        return list_jobs(rest, cluster, clock.now())
    if command == "get":
        return get_job(rest, cluster, clock.now())
    if command == "logs":
        return show_logs(rest, cluster)
    if command == "delete":
        return delete_jobs(rest, cluster, log)
    if command == "update":
        return update_job(rest, cluster, log)
    if command not in REFUSED and not any(command == t.name or command in t.aliases for t in TYPES):
        raise Usage(f"arena serve {command}: not known, see `arena serve --help`")
    now = datetime.fromtimestamp(clock.now()).astimezone()
    return submit(type_named(command), rest, cluster, log, now)


def _global_flags(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Arena's global flags, wherever they stand before `--`, and the other words.

    A namespace before the command becomes the command's own flag, which may say it again.
    """
    known: dict[str, str] = {}
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += [word, *rest]
            break
        name, equals, value = word.partition("=")
        early = name in _NAMESPACE and len(words) < len(("serve", "list"))
        if name in _WITH_VALUE or early:
            if not equals and not rest:
                raise Usage(f"{name}: needs a value")
            known[_NAMESPACE[-1] if early else name] = value if equals else rest.pop(0)
        elif name in _REFUSED:
            raise Usage(f"{name}: {_REFUSED[name]}")
        elif name not in _WITHOUT:
            words.append(word)
    if _NAMESPACE[-1] in known and len(words) > 1:
        after = 3 if words[1:2] == ["update"] else 2
        words.insert(after, f"{_NAMESPACE[-1]}={known[_NAMESPACE[-1]]}")
    return known, words
