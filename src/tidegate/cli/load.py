"""`tidegate load`: hey's flags, hey's report, one process of ours."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from tidegate.cli.errors import CliError, Usage
from tidegate.cli.load_engine import Plan, Target, run_load, target_of
from tidegate.cli.load_summary import Summary, Tally, as_json, as_text, summarise
from tidegate.cli.options import AS_TEXT, DataDir, duration_of

_ONE_DASH = {"-host", "-disable-keepalive", "-namespace", "-data-dir"}


def two_dashes(tokens: list[str]) -> list[str]:
    """hey's long flags have one dash; our parser would read them as bundled letters."""
    return [f"-{t}" if t.partition("=")[0] in _ONE_DASH else t for t in tokens]


@Parameter(name="*", group=Group("How much", sort_key=3))
@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How many requests, and how fast."""

    requests: Annotated[int | None, Parameter(name=["-n"])] = None
    """Requests in all (200 when neither -n nor -z is given)."""
    connections: Annotated[int, Parameter(name=["-c"])] = 50
    """Connections, each with one request in flight."""
    duration: Annotated[str | None, Parameter(name=["-z"])] = None
    """How long, such as 30s or 2m; goes before -n."""
    rate: Annotated[float | None, Parameter(name=["-q"])] = None
    """At most so many requests a second on each connection."""
    timeout: Annotated[float, Parameter(name=["-t"])] = 20.0
    """Seconds to wait for an answer."""


@Parameter(name="*", group=Group("The request", sort_key=4))
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent."""

    method: Annotated[str | None, Parameter(name=["-m"])] = None
    """HTTP method (GET, or POST when there is a body)."""
    host: str | None = None
    """Host header."""
    header: Annotated[tuple[str, ...], Parameter(name=["-H"])] = ()
    """A header 'Name: value'; may be given several times."""
    body: Annotated[str | None, Parameter(name=["-d"], allow_leading_hyphen=True)] = None
    """Request body."""
    body_file: Annotated[Path | None, Parameter(name=["-D"])] = None
    """File with the request body."""
    content_type: Annotated[str, Parameter(name=["-T"])] = "text/html"
    """Content-Type of the body."""
    disable_keepalive: bool = False
    """A connection for every request."""


def load(
    target: str,
    /,
    *,
    amount: Amount = Amount(),
    request: Request = Request(),
    output: Annotated[Literal["text", "json"], Parameter(name=["-o"], help=AS_TEXT)] = "text",
    namespace: str = "default",
    data_dir: DataDir = None,
) -> int:
    """Put load on a URL, or on a service by its name, and report as hey does.

    A closed loop: every connection sends its next request when the last one is answered. Exits
    with 1 when no request was answered.

    Example: tidegate load -z 10s -c 20 -m POST -d '{"instances": [[6.8,2.8,4.8,1.4]]}' iris/v1/models/iris:predict

    Parameters
    ----------
    target
        http://HOST[:PORT]/PATH, or [ksvc/|isvc/|svc/]SERVICE[/PATH] of this engine (Host header and address are filled in).
    namespace
        Namespace of the service.
    """
    plan = _plan(amount, request)
    where = _target(target, request, namespace, data_dir)
    tally = Tally()
    started = perf_counter()
    _run_until_told(run_load(where, plan, tally))
    summary = summarise(tally, perf_counter() - started)
    _print(summary, output)
    return 0 if summary.statuses else 1


def _plan(amount: Amount, request: Request) -> Plan:
    """Raises `Usage`."""
    if amount.connections < 1:
        raise Usage(f"-c {amount.connections}: at least 1 connection")
    if amount.requests is not None and amount.requests < 1:
        raise Usage(f"-n {amount.requests}: at least 1 request")
    if amount.rate is not None and amount.rate <= 0:
        raise Usage(f"-q {amount.rate:g}: a rate is above 0")
    if amount.timeout <= 0:
        raise Usage(f"-t {amount.timeout:g}: an answer takes longer than 0 s")
    duration_s = None if amount.duration is None else _seconds(amount.duration)
    wanted = amount.requests
    if wanted is None and duration_s is None:
        wanted = 200
    return Plan(
        connections=amount.connections if wanted is None else min(amount.connections, wanted),
        requests=None if duration_s is not None else wanted,
        duration_s=duration_s,
        timeout_s=amount.timeout,
        per_s=amount.rate,
        keep_alive=not request.disable_keepalive,
    )


def _target(text: str, request: Request, namespace: str, data_dir: str | None) -> Target:
    """Raises `CliError`."""
    content, host = _body(request), request.host
    if "://" not in text:
        from tidegate.cli.address import address_of, named

        service = named(text)
        found = address_of(service, namespace, data_dir)
        text, host = f"{found.gateway}{service.path or ''}", host or found.host
    closing = ["Connection: close"] if request.disable_keepalive else []
    return target_of(
        text,
        method=request.method or ("POST" if content else "GET"),
        host=host,
        headers=[*request.header, *closing],
        body=content,
        content_type=request.content_type,
    )


def _run_until_told(work: Coroutine[object, object, float]) -> None:
    """Run it on uvloop. Ctrl-C or SIGTERM ends it early; what was measured is reported all the same."""
    import uvloop

    async def run() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _seconds(duration: str) -> float:
    found = duration_of("-z", duration)
    if found <= 0:
        raise Usage(f"-z {duration}: a run lasts longer than 0")
    return found


def _body(request: Request) -> bytes:
    if request.body is not None and request.body_file is not None:
        raise Usage("-d and -D both give the body: use one")
    if request.body_file is None:
        return (request.body or "").encode()
    try:
        return request.body_file.read_bytes()
    except OSError as why:
        raise CliError(f"-D {request.body_file}: {why.strerror}") from why


def _print(summary: Summary, output: str) -> None:
    sys.stdout.write(json.dumps(as_json(summary)) + "\n" if output == "json" else as_text(summary))
