"""`tidegate batch run`: checked, and run here or made a Job."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.batch.errors import BatchError
from tidegate.batch.places import STDIN, is_object, source_of
from tidegate.batch.plan import Plan, Summary
from tidegate.batch.rows import Start, read_rows
from tidegate.batch.shapes import check_shape, detect
from tidegate.batch.template import BadRow
from tidegate.cli.batch.options import Asked, Job, Pace, Places, Report, Requests
from tidegate.cli.batch.planned import plan_of
from tidegate.cli.batch.progress import said, told_progress
from tidegate.cli.batch.target import BatchTarget, batch_target
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.options import DataDir, Namespace

_ROWS_FAILED = 3


def run(
    target: str,
    /,
    *,
    input: Annotated[
        str | None, Parameter(name=["--input", "-i"], allow_leading_hyphen=True)
    ] = None,
    output: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    requests: Requests = Requests(),
    pace: Pace = Pace(),
    places: Places = Places(),
    job: Job = Job(),
    url: str | None = None,
    dry_run: bool = False,
    report: Report = "text",
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Run rows of a file through a service, each once in the output, whatever crashes in between.

    The same command goes on where it stopped. It takes only capacity that online requests leave. Exit
    codes: 0 all rows served; 3 finished, and some rows failed (they are in OUTPUT.failed.jsonl); 1
    stopped, run it again; 2 the command is wrong.

    Example: tidegate batch run iris --input flowers.csv --output kinds.jsonl --column sepal_l --column sepal_w --column petal_l --column petal_w --protocol v1 --batch-size 32

    Example: tidegate batch run chat --input questions.jsonl --output answers.parquet --column text --protocol chat --keep choices.0.message.content

    Parameters
    ----------
    target
        SERVICE[/PATH], isvc/NAME, ksvc/NAME or svc/NAME of this engine, or a URL.
    input
        A file, s3://BUCKET/KEY, or - for standard input: JSON lines, CSV or Parquet.
    output
        A file or s3://BUCKET/KEY.
    url
        Where the service answers, if this engine isn't to be asked; its path goes before the requests'.
    dry_run
        Only print the first request, or the Job.
    report
        text, or json for scripts; with --as-job also yaml: the Job.
    """
    if input is None or output is None:
        raise Usage("tidegate batch run SERVICE --input FILE --output FILE: all three are needed")
    asked = Asked(
        target=target,
        input=input,
        output=output,
        url=url,
        requests=requests,
        pace=pace,
        places=places,
        namespace=namespace,
        data_dir=data_dir,
    )
    if job.as_job:
        return _as_job(asked, job, dry_run=dry_run, report=report)
    if job.name is not None or job.secret is not None:
        raise Usage("--name and --secret are for --as-job")
    if report == "yaml":
        raise Usage("-o yaml is for --as-job: use json")
    return _here(asked, dry_run=dry_run, as_json=report == "json")


class RunFailed(CliError):
    """A run that ended early, in its own words."""

    def __init__(self, why: BatchError) -> None:
        self.exit_code = why.exit_code
        super().__init__(str(why))


def _here(asked: Asked, *, dry_run: bool, as_json: bool) -> int:
    try:
        plan = plan_of(asked, _target(asked, inside=False))
        if dry_run:
            return _show_first(plan)
        summary = _run(plan, quiet=as_json)
    except BatchError as why:
        if asked.input == STDIN:  # a thread may be reading it still, and nothing ends that
            sys.stderr.write(f"tidegate: {why}\n")
            sys.stderr.flush()
            os._exit(why.exit_code)
        raise RunFailed(why) from why
    print(json.dumps(dataclasses.asdict(summary)) if as_json else said(summary))
    return _ROWS_FAILED if summary.failed and not asked.pace.failed_rows_ok else 0


def _as_job(asked: Asked, job: Job, *, dry_run: bool, report: str) -> int:
    from tidegate.cli.batch.job import create_job, job_document

    target = _target(asked, inside=True)
    try:
        plan = plan_of(asked, target)
        if not (dry_run or asked.input == STDIN or is_object(asked.input)):
            source_of(
                asked.input, plan.access
            )  # else its pods would look for it one after the other
    except BatchError as why:
        raise RunFailed(why) from why
    document = job_document(asked, target, name=job.name, secret=job.secret)
    return create_job(document, asked, dry_run=dry_run, report=report)


def _target(asked: Asked, *, inside: bool) -> BatchTarget:
    return batch_target(asked.target, asked.namespace, asked.data_dir, inside=inside, url=asked.url)


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
        check_shape(shape, plan.batch_size)
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
