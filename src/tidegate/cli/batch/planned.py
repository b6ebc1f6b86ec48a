"""From the options of a batch run to its plan."""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.batch.places import STDIN, StoreAccess, is_object
from tidegate.batch.plan import Plan
from tidegate.batch.rows import format_of
from tidegate.batch.shapes import Shape, check_shape
from tidegate.batch.template import BadTemplate, Template, parse_template
from tidegate.cli.batch.options import Asked, Requests
from tidegate.cli.batch.target import BatchTarget
from tidegate.cli.errors import Usage
from tidegate.cli.options import duration_of, header_of
from tidegate.cli.places import placed


def plan_of(asked: Asked, target: BatchTarget) -> Plan:
    """The run that was asked for. Raises `Usage`, `BadPlan`."""
    _check(asked)
    requests, pace, places = asked.requests, asked.pace, asked.places
    return Plan(
        url=target.url,
        service=target.service,
        host=target.host,
        input=asked.input,
        output=asked.output,
        input_format=format_of(asked.input, places.input_format),
        output_format=format_of(asked.output, places.output_format),
        shape=_shape(requests, target),
        headers=tuple(header_of("--header", text) for text in requests.header),
        access=StoreAccess(places.s3_endpoint, places.s3_region, places.s3_anonymous),
        batch_size=requests.batch_size,
        concurrency=pace.concurrency,
        most_concurrency=pace.max_concurrency,
        ordered=pace.ordered,
        limit=pace.limit,
        retries=pace.retries,
        timeout_s=duration_of("--timeout", pace.timeout),
        patience_s=duration_of("--patience", pace.patience),
        on_error=pace.on_error,
        overwrite=places.overwrite,
        counts_as_demand=pace.scale,
        run=places.run_name or "",
        state_folder=_state_folder(places.state_dir) if is_object(asked.output) else None,
    )


def _check(asked: Asked) -> None:
    """Raises `Usage`."""
    for option, number, least in (
        ("--batch-size", asked.requests.batch_size, 1),
        ("--concurrency", asked.pace.concurrency, 1),
        ("--max-concurrency", asked.pace.max_concurrency, 1),
        ("--limit", asked.pace.limit, 0),
        ("--retries", asked.pace.retries, 0),
    ):
        if number is not None and number < least:
            raise Usage(f"{option} {number}: at least {least}")
    if asked.output == STDIN:
        raise Usage("--output -: what was printed can't be resumed; give a file or s3://BUCKET/KEY")


def _shape(requests: Requests, target: BatchTarget) -> Shape:
    shape = Shape(
        protocol=requests.protocol,
        model=requests.model or target.model or "",
        path=target.path,
        columns=requests.column,
        template=_template(requests.template),
        keep=tuple(requests.keep.split(".")) if requests.keep else (),
        id_column=requests.id,
        with_input=requests.with_input,
    )
    if requests.protocol != "auto":
        check_shape(shape, requests.batch_size)
    elif requests.batch_size > 1 and (requests.column or requests.template):
        raise Usage("--batch-size needs --protocol v1 (or v2): the rows alone don't say it")
    return shape


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


def _state_folder(asked: Path | None) -> Path:
    if asked is not None:
        return placed(asked)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "tidegate-batch"
