"""A batch run of the command line: what was asked for, checked, and run here or as a Job."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tidegate.batch.errors import BatchError
from tidegate.batch.places import STDIN, StoreAccess, is_object, source_of
from tidegate.batch.plan import Plan, Summary
from tidegate.batch.rows import Format, Start, format_of, read_rows
from tidegate.batch.shapes import Protocol, Shape, check_batching, detect
from tidegate.batch.template import BadRow, BadTemplate, Template, parse_template
from tidegate.cli.batch_progress import said, told_progress
from tidegate.cli.batch_target import BatchTarget, batch_target
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import duration_of

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS_FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `tidegate batch run`, by their names there."""

    target: str
    input: str
    output: str
    protocol: Protocol
    columns: tuple[str, ...]
    template: str | None
    keep: str | None
    id_column: str | None
    with_input: bool
    model: str | None
    url: str | None
    batch_size: int
    concurrency: int | None
    max_concurrency: int
    ordered: bool
    scale: bool
    limit: int | None
    retries: int
    timeout: str
    patience: str
    on_error: Literal["record", "stop"]
    overwrite: bool
    input_format: Format | None
    output_format: Format | None
    headers: tuple[str, ...]
    s3_endpoint: str | None
    s3_region: str | None
    s3_anonymous: bool
    state_dir: Path | None
    run_name: str | None
    namespace: str
    data_dir: str | None
    failed_rows_ok: bool


class RunFailed(CliError):
    """A run that ended early, in its own words."""

    def __init__(self, why: BatchError) -> None:
        self.exit_code = why.exit_code
        super().__init__(str(why))


def run_here(asked: Asked, *, dry_run: bool, as_json: bool) -> int:
    """Run it in this process; the exit code. Raises `CliError`."""
    try:
        where = (asked.target, asked.namespace, asked.data_dir)
        target = batch_target(*where, inside=False, url=asked.url)
        plan = plan_of(asked, target)
        if dry_run:
            return _show_first(plan)
        summary = _run(plan, quiet=as_json)
    except BatchError as why:
        if asked.input == STDIN:  # a thread may be reading it still, and nothing ends that
            sys.stderr.write(f"tidegate: {why}\n")
            sys.stderr.flush()
            os._exit(why.exit_code)
        raise RunFailed(why) from why
    if as_json:
        print(json.dumps(dataclasses.asdict(summary)))
    else:
        print(said(summary))
    return ROWS_FAILED if summary.failed and not asked.failed_rows_ok else 0


def run_as_job(
    asked: Asked, *, name: str | None, secret: str | None, dry_run: bool, report: str
) -> int:
    """Make the Job that does it. Raises `CliError`."""
    from tidegate.cli.batch_jobs import create_job, job_document

    where = (asked.target, asked.namespace, asked.data_dir)
    target = batch_target(*where, inside=True, url=asked.url)
    try:
        plan_of(asked, target)
    except BatchError as why:
        raise RunFailed(why) from why
    document = job_document(asked, target, name=name, secret=secret)
    return create_job(document, asked, dry_run=dry_run, report=report)


def plan_of(asked: Asked, target: BatchTarget) -> Plan:
    """The run that was asked for. Raises `Usage`, `BadPlan`."""
    for option, number, least in (
        ("--batch-size", asked.batch_size, 1),
        ("--concurrency", asked.concurrency, 1),
        ("--max-concurrency", asked.max_concurrency, 1),
        ("--limit", asked.limit, 0),
        ("--retries", asked.retries, 0),
    ):
        if number is not None and number < least:
            raise Usage(f"{option} {number}: at least {least}")
    if asked.output == STDIN:
        raise Usage("--output -: what was printed can't be resumed; give a file or s3://BUCKET/KEY")
    shape = Shape(
        protocol=asked.protocol,
        model=asked.model or target.name,
        path=target.path,
        columns=asked.columns,
        template=_template(asked.template),
        keep=tuple(asked.keep.split(".")) if asked.keep else (),
        id_column=asked.id_column,
        with_input=asked.with_input,
    )
    if asked.protocol != "auto":
        check_batching(shape, asked.batch_size)
    elif asked.batch_size > 1 and (asked.columns or asked.template):
        raise Usage("--batch-size needs --protocol v1 (or v2): the rows alone don't say it")
    return Plan(
        url=target.url,
        service=target.service,
        host=target.host,
        input=asked.input,
        output=asked.output,
        input_format=format_of(asked.input, asked.input_format),
        output_format=format_of(asked.output, asked.output_format),
        shape=shape,
        headers=tuple(_header(text) for text in asked.headers),
        access=StoreAccess(asked.s3_endpoint, asked.s3_region, asked.s3_anonymous),
        batch_size=asked.batch_size,
        concurrency=asked.concurrency,
        most_concurrency=asked.max_concurrency,
        ordered=asked.ordered,
        limit=asked.limit,
        retries=asked.retries,
        timeout_s=duration_of("--timeout", asked.timeout),
        patience_s=duration_of("--patience", asked.patience),
        on_error=asked.on_error,
        overwrite=asked.overwrite,
        counts_as_demand=asked.scale,
        run=asked.run_name or "",
        state_folder=_state_folder(asked) if is_object(asked.output) else None,
    )


def _state_folder(asked: Asked) -> Path:
    if asked.state_dir is not None:
        return asked.state_dir.absolute()
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "tidegate-batch"


def _template(text: str | None) -> Template | None:
    if text is None:
        return None
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except (OSError, UnicodeDecodeError) as why:
            raise Usage(f"--template {text}: {why}") from why
    try:
        return parse_template(text)
    except BadTemplate as why:
        raise Usage(f"--template: {why}") from why


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise Usage(f"-H {text!r}: write it as 'Name: value'")
    return name.strip(), value.strip()


def _run(plan: Plan, *, quiet: bool) -> Summary:
    import uvloop

    from tidegate.batch.runner import run_batch
    from tidegate.kit.realtime import RealClock

    async def run(say: Callable[[Any], None]) -> Summary:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await run_batch(plan, RealClock(), stop=stop, say=say)

    with (
        told_progress(quiet=quiet) as say,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(run(say))


def _show_first(plan: Plan) -> int:
    source = source_of(plan.input, plan.access)
    rows = [
        row
        for row, _ in zip(
            read_rows(source, plan.input_format, Start()), range(plan.batch_size), strict=False
        )
    ]
    if not rows:
        print(f"{plan.input} has no rows")
        return 0
    for row in rows:
        if row.problem is not None:
            raise CliError(f"row {row.number} of {plan.input}: {row.problem}")
    shape = plan.shape
    if shape.protocol == "auto":
        shape = dataclasses.replace(shape, protocol=detect(rows[0].value))
        check_batching(shape, plan.batch_size)
    try:
        request = shape.request([row.value for row in rows])
    except BadRow as why:
        raise CliError(f"row {rows[0].number} of {plan.input}: {why}") from why
    print(f"POST {plan.url}{request.path}")
    if plan.host is not None:
        print(f"Host: {plan.host}")
    print(f"# {shape.protocol}, {len(rows)} row(s) in each request; {plan.output_format} output\n")
    print(request.body.decode())
    return 0
