"""What the commands know about an engine: who runs, where it answers, whether it answers yet."""

from __future__ import annotations

import http.client
import json
import os
import select
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tidegate.cli.errors import CliError
from tidegate.kit.home import Home
from tidegate.link.keeper_call import KeeperCall, NoEngine
from tidegate.link.unix import connect_unix

HOST = "127.0.0.1"
INGRESS_HOST = "127.0.0.80"  # an address for the ingress alone, so that it can have port 80
PORT = 8080  # the port a container listens on unless told otherwise: what people try first
HTTPS_PORT = 8443  # beside 8080, as many servers have it
API_PORT = 6443  # kube-apiserver's
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine. Pids are None while a part is being restarted."""

    keeper_pid: int
    gateway_pid: int | None
    control_plane_pid: int | None
    gateway_host: str
    gateway_port: int
    api_host: str
    api_port: int
    ingress: tuple[str, int] | None = None  # the gateway's further address
    https: tuple[str, int] | None = None  # where it speaks HTTPS

    @property
    def gateway_url(self) -> str:
        return f"http://{self.gateway_host}:{self.gateway_port}"

    @property
    def ingress_url(self) -> str | None:
        """The gateway on port 80 of an address of its own; None where that couldn't be had."""
        if self.ingress is None:
            return None
        host, port = self.ingress
        return f"http://{host}" if port == 80 else f"http://{host}:{port}"

    @property
    def https_url(self) -> str | None:
        """The gateway by HTTPS; None where its port couldn't be had."""
        return None if self.https is None else f"https://{self.https[0]}:{self.https[1]}"

    @property
    def api_url(self) -> str:
        return f"https://{self.api_host}:{self.api_port}"


def engine_of(home: Home) -> Engine:
    """The engine of a home. Raises `NoEngine` or another `KeeperCallFailed`."""
    said = KeeperCall(home).ask("status")
    gateway, api = said["listening"]["gateway"], said["listening"]["api"]
    ingress, https = said["listening"].get("ingress"), said["listening"].get("gateway-tls")
    return Engine(
        keeper_pid=said["keeper"]["pid"],
        gateway_pid=said["gateway"]["pid"],
        control_plane_pid=said["control_plane"]["pid"],
        gateway_host=gateway[0],
        gateway_port=gateway[1],
        api_host=api[0],
        api_port=api[1],
        ingress=(ingress[0], ingress[1]) if ingress else None,
        https=(https[0], https[1]) if https else None,
    )


def engine_or_none(home: Home) -> Engine | None:
    """As `engine_of`; None when no keeper answers."""
    try:
        return engine_of(home)
    except NoEngine:
        return None


def gateway_lives(home: Home) -> bool:
    """Whether a gateway of this home is there (perhaps without a keeper)."""
    try:
        connect_unix(home.sockets_socket, timeout_s=2.0).close()
    except OSError:
        return False
    return True


def wait_until_serving(home: Home, *, timeout_s: float) -> Engine:
    """The engine, once gateway and API both answer.

    Raises `CliError` naming what does not answer and its log.
    """
    deadline = monotonic() + timeout_s
    missing = "keeper"
    while True:
        engine = engine_or_none(home)
        if engine is not None:
            missing = _silent_part(home, engine)
            if not missing:
                return engine
        if monotonic() >= deadline:
            log = home.logs / f"{missing}.log"
            raise CliError(
                f"the {missing} of {home.root} did not answer within {timeout_s:g} s: look at {log}"
                f"{_last_error(log)}"
            )
        sleep(_LOOK_AGAIN_S)


def _last_error(log: Path) -> str:
    """What a part told last, as the end of a sentence, if that is why it can't start; else empty."""
    try:
        *_, last = log.read_text(errors="replace").splitlines()
    except (OSError, ValueError):  # no log, or nothing in it
        return ""
    why = last.partition(" ERROR ")[2].partition(": ")[2]
    return f" ({why})" if why else ""


def _silent_part(home: Home, engine: Engine) -> str:
    """The part that does not answer yet; empty when both do."""
    if not _gateway_answers(engine):
        return "gateway"
    from tidegate.cli.cluster import Cluster

    return "" if home.kubeconfig.exists() and Cluster(home).ready() else "control-plane"


def _gateway_answers(engine: Engine) -> bool:
    """Any HTTP answer will do: before the first documents it is a 404."""
    connection = http.client.HTTPConnection(engine.gateway_host, engine.gateway_port, timeout=2.0)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/", headers={"Host": "tidegate.invalid"})
        connection.getresponse().read()
        return True
    return False


def wait_until_gone(pid: int, *, timeout_s: float) -> bool:
    """Whether a process ended in time (at once when there is none)."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], timeout_s)[0])
    finally:
        os.close(watched)


def last_gpus(home: Home) -> str | None:
    """What a killed engine simulated, on which its pods count; None: nothing, or it was stopped."""
    if not home.processes.exists():
        return None
    try:
        asked = json.loads(home.settings.read_text()).get("simulate_gpus")
    except (OSError, ValueError, AttributeError):
        return None
    return asked if isinstance(asked, str) else None


def ask_for_gpus(home: Home, text: str) -> None:
    """Put what is to be simulated beside the other settings (`write_settings` came before)."""
    wanted = json.loads(home.settings.read_text()) | {"simulate_gpus": text}
    fresh = home.settings.with_suffix(".new")
    fresh.write_text(json.dumps(wanted) + "\n")
    fresh.replace(home.settings)


def ports_of_last_run(home: Home) -> tuple[int, int]:
    """(gateway, API): what an engine that was killed had, whose clients still know them; else the
    usual ones. An engine that was stopped leaves no process table, and starts afresh."""
    if not home.processes.exists():
        return PORT, API_PORT
    try:
        last = json.loads(home.settings.read_text())
        return int(last["port"]), int(last["api_port"])
    except (OSError, ValueError, KeyError, TypeError):
        return PORT, API_PORT


def last_https_port(home: Home, port: int | None) -> int:
    """As `ports_of_last_run`, for the gateway's HTTPS. `port`: what is asked for the gateway; one that is
    to be picked means that this is, too."""
    if home.processes.exists():
        try:
            return int(json.loads(home.settings.read_text())["optional"]["gateway-tls"][1])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            pass
    return 0 if port == 0 else HTTPS_PORT


def last_ingress_host(home: Home) -> str:
    """The ingress' own address that the last run was asked for; the usual one if it was stopped."""
    if home.processes.exists():
        try:
            return str(json.loads(home.settings.read_text())["optional"]["ingress"][0])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            pass
    return INGRESS_HOST


def write_settings(
    home: Home, *, port: int, api_port: int, https_port: int, ingress_host: str = INGRESS_HOST
) -> None:
    """What the next keeper of this home reads (`Home.settings`); written whole or not at all.

    Raises `CliError` when the home can't be made.
    """
    wanted: dict[str, Any] = {
        "host": HOST,
        "port": port,
        "api_host": HOST,
        "api_port": api_port,
        "optional": {  # another engine may have these, or only root may
            "ingress": [ingress_host, 80],
            "ingress-tls": [ingress_host, 443],
            "gateway-tls": [HOST, https_port],
        },
    }
    try:
        home.make()
        fresh = home.settings.with_suffix(".new")
        fresh.write_text(json.dumps(wanted) + "\n")
        fresh.replace(home.settings)
    except OSError as why:
        raise CliError(
            f"the engine's folder {home.root} can't be made or written ({why.strerror}): "
            "choose another with --data-dir or TIDEGATE_HOME"
        ) from why
