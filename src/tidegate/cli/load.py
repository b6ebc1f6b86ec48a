"""`tidegate load`: hey's flags, hey's report, one process of ours."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

from cyclopts import Parameter

from tidegate.cli.errors import CliError, Usage
from tidegate.cli.load_summary import Summary, Tally, as_json, as_text, summarise
from tidegate.cli.options import DataDir, duration_of

_ONE_DASH = {"-host", "-disable-keepalive", "-namespace", "-data-dir"}


def two_dashes(tokens: list[str]) -> list[str]:
    """hey's long flags have one dash; our parser would read them as bundled letters."""
    return [f"-{t}" if t.partition("=")[0] in _ONE_DASH else t for t in tokens]


def load(
    target: str,
    /,
    *,
    requests: Annotated[int | None, Parameter(name=["-n"])] = None,
    connections: Annotated[int, Parameter(name=["-c"])] = 50,
    duration: Annotated[str | None, Parameter(name=["-z"])] = None,
    rate: Annotated[float | None, Parameter(name=["-q"])] = None,
    method: Annotated[str | None, Parameter(name=["-m"])] = None,
    host: Annotated[str | None, Parameter(name=["--host"])] = None,
    header: Annotated[list[str] | None, Parameter(name=["-H"], negative="")] = None,
    body: Annotated[str | None, Parameter(name=["-d"], allow_leading_hyphen=True)] = None,
    body_file: Annotated[Path | None, Parameter(name=["-D"])] = None,
    content_type: Annotated[str, Parameter(name=["-T"])] = "text/html",
    timeout: Annotated[float, Parameter(name=["-t"])] = 20.0,
    disable_keepalive: Annotated[bool, Parameter(negative="")] = False,
    output: Annotated[Literal["text", "json"], Parameter(name=["-o"])] = "text",
    namespace: Annotated[str | None, Parameter(name=["--namespace"])] = None,
    data_dir: DataDir = None,
) -> int:
    """Put load on a URL, or on a service by its name, and report as hey does.

    A closed loop: every connection sends its next request when the last one is answered. Exits
    with 1 when no request was answered.

    Example: tidegate load -z 10s -c 20 -m POST -d '{"instances": [[6.8,2.8,4.8,1.4]]}' iris/v1/models/iris:predict

    Parameters
    ----------
    target
        http://HOST[:PORT]/PATH, or SERVICE[/PATH] of this engine (Host header and address are filled in).
    requests
        Requests in all (200 when neither -n nor -z is given).
    connections
        Connections, each with one request in flight.
    duration
        How long, such as 30s or 2m; goes before -n.
    rate
        At most so many requests a second on each connection.
    method
        HTTP method (GET, or POST when there is a body).
    host
        Host header.
    header
        A header 'Name: value'; may be given several times.
    body
        Request body.
    body_file
        File with the request body.
    content_type
        Content-Type of the body.
    timeout
        Seconds to wait for an answer.
    disable_keepalive
        A connection for every request.
    output
        text or json.
    namespace
        Namespace of the service.
    """
    from tidegate.cli.load_engine import Plan, run_load, target_of

    if connections < 1:
        raise Usage(f"-c {connections}: at least 1 connection")
    if requests is not None and requests < 1:
        raise Usage(f"-n {requests}: at least 1 request")
    if rate is not None and rate <= 0:
        raise Usage(f"-q {rate:g}: a rate is above 0")
    if duration is None and requests is None:
        requests = 200
    content = _body(body, body_file)
    if "://" not in target:
        target, found_host = _address(target, namespace, data_dir)
        host = host or found_host
    where = target_of(
        target,
        method=method or ("POST" if content else "GET"),
        host=host,
        headers=[*(header or []), *(["Connection: close"] if disable_keepalive else [])],
        body=content,
        content_type=content_type,
    )
    plan = Plan(
        connections=connections if requests is None else min(connections, requests),
        requests=None if duration is not None else requests,
        duration_s=None if duration is None else _seconds(duration),
        timeout_s=timeout,
        per_s=rate,
        keep_alive=not disable_keepalive,
    )
    tally = Tally()
    started = perf_counter()
    _run_until_told(run_load(where, plan, tally))
    summary = summarise(tally, perf_counter() - started)
    _print(summary, output)
    return 0 if summary.statuses else 1


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


def _body(text: str | None, file: Path | None) -> bytes:
    if text is not None and file is not None:
        raise Usage("-d and -D both give the body: use one")
    if file is None:
        return (text or "").encode()
    try:
        return file.read_bytes()
    except OSError as why:
        raise CliError(f"-D {file}: {why.strerror}") from why


def _address(target: str, namespace: str | None, data_dir: str | None) -> tuple[str, str]:
    from tidegate.cli.service_address import service_address

    name, slash, path = target.partition("/")
    address = service_address(name, namespace or "default", data_dir)
    return f"{address.gateway}{slash}{path}", address.host


def _print(summary: Summary, output: str) -> None:
    sys.stdout.write(json.dumps(as_json(summary)) + "\n" if output == "json" else as_text(summary))
