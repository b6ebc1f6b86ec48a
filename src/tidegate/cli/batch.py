"""`tidegate batch`: rows of a data set through a service, each once in the output; here or as a Job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tidegate.cli.errors import Usage
from tidegate.cli.options import DataDir, Namespace

_FORMATS = Literal["jsonl", "csv", "parquet"]


def batch(
    action: Literal["run", "ls", "status", "cancel"],
    target: str | None = None,
    /,
    *,
    input: Annotated[
        str | None, Parameter(name=["--input", "-i"], allow_leading_hyphen=True)
    ] = None,
    output: Annotated[str | None, Parameter(name=["--output"], allow_leading_hyphen=True)] = None,
    protocol: Literal["auto", "openai", "v1", "v2", "chat", "raw"] = "auto",
    column: Annotated[list[str] | None, Parameter(name=["--column"], negative="")] = None,
    template: str | None = None,
    keep: str | None = None,
    id_column: Annotated[str | None, Parameter(name=["--id"])] = None,
    with_input: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    url: str | None = None,
    batch_size: int = 1,
    concurrency: int | None = None,
    max_concurrency: int = 256,
    ordered: bool = True,
    scale: Annotated[bool, Parameter(negative="")] = False,
    limit: int | None = None,
    retries: int = 3,
    timeout: str = "10m",
    patience: str = "5m",
    on_error: Literal["record", "stop"] = "record",
    failed_rows_ok: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    input_format: _FORMATS | None = None,
    output_format: _FORMATS | None = None,
    header: Annotated[list[str] | None, Parameter(name=["-H"], negative="")] = None,
    s3_endpoint: str | None = None,
    s3_region: str | None = None,
    s3_anonymous: Annotated[bool, Parameter(negative="")] = False,
    state_dir: Path | None = None,
    run_name: str | None = None,
    as_job: Annotated[bool, Parameter(negative="")] = False,
    name: str | None = None,
    secret: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    report: Annotated[Literal["text", "json", "yaml"], Parameter(name=["-o"])] = "text",
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
    action
        run; or, for runs that are Jobs: ls, status NAME, cancel NAME.
    target
        SERVICE[/PATH], isvc/NAME, ksvc/NAME or svc/NAME of this engine, or a URL.
    input
        A file, s3://BUCKET/KEY, or - for standard input: JSON lines, CSV or Parquet.
    output
        A file or s3://BUCKET/KEY.
    protocol
        How rows are sent; auto: by what the first one looks like.
    column
        A column that goes into the request; may be given several times (all of the row when left out).
    template
        The request (V1: the instance) as JSON with {{column}} in it; or @FILE.
    keep
        Path to what is kept of each answer, such as choices.0.message.content.
    id_column
        A column that is copied to the output as `id`.
    with_input
        Copy the whole row to the output.
    model
        Name of the model in requests (the service's when left out).
    url
        Where the service answers, if this engine isn't to be asked; its path goes before the requests'.
    batch_size
        Rows in one V1 request.
    concurrency
        Requests at once (adapts when left out).
    max_concurrency
        Most requests at once when it adapts.
    ordered
        Keep the rows' order; --no-ordered writes each row when it is done.
    scale
        Let the rows count as demand, so that the service gets more replicas for them.
    limit
        Only the first rows.
    retries
        Further tries of a row whose request failed.
    timeout
        For one answer.
    patience
        How long nothing may be served until the run stops.
    on_error
        A row that fails: record it, or stop.
    failed_rows_ok
        Exit with 0 although rows failed.
    overwrite
        Begin anew; what was there goes.
    input_format
        If the input's name doesn't say it.
    output_format
        If the output's name doesn't say it.
    header
        A header 'Name: value' for each request; may be given several times.
    s3_endpoint
        The store's address (AWS_ENDPOINT_URL).
    s3_region
        The store's region (AWS_REGION).
    s3_anonymous
        Send no keys.
    state_dir
        Where a run to a store keeps what is not uploaded yet.
    run_name
        Tells this run from others with the same settings; with it, --overwrite still resumes itself.
    as_job
        Make a Job that does it in the engine, restarted until it is done.
    name
        Name of the Job.
    secret
        A Secret with the store's keys (AWS_ACCESS_KEY_ID, ...), for the Job.
    dry_run
        Only print the first request, or the Job.
    report
        text or json; with --as-job --dry-run also yaml.
    """
    from tidegate.cli.batch_jobs import cancel, list_jobs, show_job

    if action != "run":
        if action != "ls" and target is None:
            raise Usage(f"which one? tidegate batch {action} NAME")
        if action == "ls":
            return list_jobs(namespace, data_dir, report)
        act = show_job if action == "status" else cancel
        return act(str(target), namespace, data_dir)
    if target is None or input is None or output is None:
        raise Usage("tidegate batch run SERVICE --input FILE --output FILE: all three are needed")

    from tidegate.cli.batch_run import Asked, run_as_job, run_here

    asked = Asked(
        target=target,
        input=input,
        output=output,
        protocol=protocol,
        columns=tuple(column or ()),
        template=template,
        keep=keep,
        id_column=id_column,
        with_input=with_input,
        model=model,
        url=url,
        batch_size=batch_size,
        concurrency=concurrency,
        max_concurrency=max_concurrency,
        ordered=ordered,
        scale=scale,
        limit=limit,
        retries=retries,
        timeout=timeout,
        patience=patience,
        on_error=on_error,
        overwrite=overwrite,
        input_format=input_format,
        output_format=output_format,
        headers=tuple(header or ()),
        s3_endpoint=s3_endpoint,
        s3_region=s3_region,
        s3_anonymous=s3_anonymous,
        state_dir=state_dir,
        run_name=run_name,
        namespace=namespace,
        data_dir=data_dir,
        failed_rows_ok=failed_rows_ok,
    )
    if as_job:
        return run_as_job(asked, name=name, secret=secret, dry_run=dry_run, report=report)
    if name is not None or secret is not None:
        raise Usage("--name and --secret are for --as-job")
    return run_here(asked, dry_run=dry_run, as_json=report == "json")
