"""`tidegate up`: start the engine here or in the background, or repair the one that runs.

In the foreground this process becomes the keeper (same pid, so that a supervisor watches the right
one); a child announces the addresses and applies the documents once the engine answers.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.engine import (
    Engine,
    ask_for_gpus,
    engine_or_none,
    gateway_lives,
    last_gpus,
    last_https_port,
    last_ingress_host,
    ports_of_last_run,
    wait_until_serving,
    write_settings,
)
from tidegate.cli.errors import CliError, Several, Usage
from tidegate.cli.options import DataDir, Files, home_of
from tidegate.cli.tables import progress
from tidegate.kit.home import Home

_START_S = 60.0  # generous: a cold disk and a busy machine; a healthy start takes a second


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the engine answers. None: as an engine that was killed did, else the usual."""

    port: int | None = None
    """Port of the gateway on 127.0.0.1 (default 8080; 0 picks a free one)."""
    api_port: int | None = None
    """Port of the Kubernetes API on 127.0.0.1 (default 6443; 0 picks a free one)."""
    https_port: int | None = None
    """Port of the gateway's HTTPS on 127.0.0.1 (default 8443, or a free one with --port 0). Where it
    can't be had, the gateway does without."""
    ingress_address: str | None = None
    """IP address of this machine on which the gateway has ports 80 and 443 too (default 127.0.0.80).
    Where they can't be had, it does without."""

    def check(self) -> None:
        """Raises `Usage`."""
        for option, number in (
            ("--port", self.port),
            ("--api-port", self.api_port),
            ("--https-port", self.https_port),
        ):
            if number is not None and not 0 <= number <= 65535:
                raise Usage(f"{option} {number}: a port is between 0 and 65535")
        if self.ingress_address is not None:
            try:
                ipaddress.ip_address(self.ingress_address)
            except ValueError:
                raise Usage(
                    f"--ingress-address {self.ingress_address}: it must be an IP address"
                ) from None

    def unlike(self, running: Engine) -> Iterator[str]:
        """What was asked for and a running engine has otherwise, in words."""
        for option, asked, has in (
            ("--port", self.port, running.gateway_port),
            ("--api-port", self.api_port, running.api_port),
            ("--https-port", self.https_port, running.https and running.https[1]),
            ("--ingress-address", self.ingress_address, running.ingress and running.ingress[0]),
        ):
            if asked and asked != has:
                uses = "has none" if has is None else f"uses {has}"
                yield f"{option} {asked} has no effect on a running engine, which {uses}"


def up(
    *,
    filename: Files = None,
    detach: Annotated[bool, Parameter(name=["--detach", "-d"])] = False,
    addresses: Addresses = Addresses(),
    simulate_gpus: str | None = None,
    data_dir: DataDir = None,
) -> int:
    """Start the engine and, with -f, apply documents. On a running engine: repair what is missing.

    Stays in the foreground until Ctrl-C; with --detach it returns once the engine answers.

    Example: tidegate up --detach -f examples/iris/build/iris.yaml

    Parameters
    ----------
    detach
        Start in the background and return when gateway and API answer.
    simulate_gpus
        Pretend to have so many GPUs, with or without their memory: 1 or 4x15GiB. They are counted like
        real ones and nothing computes on them.
    """
    addresses.check()
    _check_gpus(simulate_gpus)
    home = home_of(data_dir)
    files = list(filename or [])
    missing = [name for name in files if name != "-" and not os.path.exists(name)]
    if missing:
        raise CliError(f"{missing[0]}: no such file")  # before anything is started
    running = engine_or_none(home)
    if running is None and not gateway_lives(home):
        _settle(home, addresses, simulate_gpus)
        if not detach:
            _become_keeper(home, files)
    elif simulate_gpus:
        _say("--simulate-gpus has no effect on a running engine: `tidegate down` first")
    return _in_background(home, files, running, addresses)


def _settle(home: Home, asked: Addresses, simulate_gpus: str | None) -> None:
    """Write what the engine starts with."""
    last_port, last_api_port = ports_of_last_run(home)
    wanted_gpus = simulate_gpus or last_gpus(home)  # before its settings are written anew
    https_port = asked.https_port
    write_settings(
        home,
        port=last_port if asked.port is None else asked.port,
        api_port=last_api_port if asked.api_port is None else asked.api_port,
        https_port=last_https_port(home, asked.port) if https_port is None else https_port,
        ingress_host=asked.ingress_address or last_ingress_host(home),
    )
    if wanted_gpus:
        ask_for_gpus(home, wanted_gpus)


def _say(text: str) -> None:
    print(f"tidegate: {text}", file=sys.stderr)


def _check_gpus(text: str | None) -> None:
    """Raises `Usage`."""
    if text is None:
        return
    from tidegate.policy.gpu_cards import simulated_cards

    try:
        simulated_cards(text)
    except ValueError as why:
        raise Usage(f"--simulate-gpus {why}") from why


def announce(home: Home, files: list[str]) -> int:
    """Wait for the engine, say where it answers, apply the documents."""
    engine = wait_until_serving(home, timeout_s=_START_S)
    urls = (engine.gateway_url, engine.https_url, engine.ingress_url)
    print("gateway    ", "  ".join(url for url in urls if url))
    if engine.https_url is None:
        why = "its port can't be had: `tidegate down`, then `up --https-port N` (0 picks one)"
        _say(f"no HTTPS at the gateway: {why}")
    print(f"API         {engine.api_url}")
    print(f"kubeconfig  {home.kubeconfig}", flush=True)
    if not files:
        return 0
    from tidegate.cli.apply import apply_files

    failed = apply_files(home, files, namespace="default")
    if failed:
        raise Several(failed)
    return 0


def _in_background(
    home: Home, files: list[str], running: Engine | None, addresses: Addresses
) -> int:
    from tidegate.link.keeper_start import start_keeper

    start_keeper(home)  # an engine that runs keeps running; a missing keeper takes over its parts
    if running is not None:
        print(f"already running (keeper pid {running.keeper_pid})", flush=True)
        for text in addresses.unlike(running):
            _say(f"{text}: `tidegate down` first")
    else:
        progress(f"starting the engine of {home.root}")
    return announce(home, files)


def _become_keeper(home: Home, files: list[str]) -> None:
    from tidegate.link.keeper_start import become_keeper

    command = [sys.executable, "-m", "tidegate.cli.after_up", str(home.root), *files]
    subprocess.Popen(command, env={**os.environ, "TIDEGATE_HOME": str(home.root)})
    become_keeper(home)
