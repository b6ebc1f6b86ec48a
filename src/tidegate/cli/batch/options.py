"""The options of `tidegate batch run`, by what they are about.

A field is an option of its name; what is not said here is as in `batch.plan.Plan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from tidegate.batch.plan import OnError
from tidegate.batch.rows import Format
from tidegate.batch.shapes import Protocol


@Parameter(name="*", group=Group("Requests", sort_key=3))
@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """How rows become requests, and answers lines of the output."""

    protocol: Protocol = "auto"
    """How rows are sent; auto: by what the first one looks like."""
    column: tuple[str, ...] = ()
    """A column that goes into the request; may be given several times (all of the row when left out)."""
    template: str | None = None
    """The request (V1: the instance) as JSON with {{column}} in it; or @FILE."""
    batch_size: int = 1
    """Rows in one V1 request."""
    model: str | None = None
    """Name of the model in requests (the service's when left out)."""
    header: Annotated[tuple[str, ...], Parameter(name=["--header", "-H"])] = ()
    """A header 'Name: value' for each request; may be given several times."""
    keep: str | None = None
    """Path to what is kept of each answer, such as choices.0.message.content."""
    id: str | None = None
    """A column that is copied to the output as `id`."""
    with_input: bool = False
    """Copy the whole row to the output."""


@Parameter(name="*", group=Group("Pace and failures", sort_key=4))
@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast rows are sent, and what becomes of those that fail."""

    concurrency: int | None = None
    """Requests at once (adapts when left out)."""
    max_concurrency: int = 256
    """Most requests at once when it adapts."""
    ordered: Annotated[bool, Parameter(negative="--no-ordered")] = True
    """Keep the rows' order; --no-ordered writes each row when it is done."""
    scale: bool = False
    """Let the rows count as demand, so that the service gets more replicas for them."""
    limit: int | None = None
    """Only the first rows."""
    retries: int = 3
    """Further tries of a row whose request failed."""
    timeout: str = "10m"
    """For one answer."""
    patience: str = "5m"
    """How long nothing may be served until the run stops."""
    on_error: OnError = "record"
    """A row that fails: record it, or stop."""
    failed_rows_ok: bool = False
    """Exit with 0 although rows failed."""


@Parameter(name="*", group=Group("Files and stores", sort_key=5))
@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What input and output are, and where a run keeps what it knows."""

    input_format: Format | None = None
    """If the input's name doesn't say it."""
    output_format: Format | None = None
    """If the output's name doesn't say it."""
    overwrite: bool = False
    """Begin anew; what was there goes."""
    s3_endpoint: str | None = None
    """The store's address (AWS_ENDPOINT_URL)."""
    s3_region: str | None = None
    """The store's region (AWS_REGION)."""
    s3_anonymous: bool = False
    """Send no keys."""
    state_dir: Path | None = None
    """Where a run to a store keeps what is not uploaded yet."""
    run_name: str | None = None
    """Tells this run from others with the same settings; with it, --overwrite still resumes itself."""


@Parameter(name="*", group=Group("As a Job", sort_key=6))
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run that the engine makes, rather than this process."""

    as_job: bool = False
    """Make a Job that does it in the engine, restarted until it is done."""
    name: str | None = None
    """Name of the Job."""
    secret: str | None = None
    """A Secret with the store's keys (AWS_ACCESS_KEY_ID, ...), for the Job."""


Report = Annotated[Literal["text", "json", "yaml"], Parameter(name=["-o"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All of it, with defaults filled in. `url` None: as the engine says."""

    target: str
    input: str
    output: str
    url: str | None = None
    requests: Requests = Requests()
    pace: Pace = Pace()
    places: Places = Places()
    namespace: str = "default"
    data_dir: str | None = None


def words_of(options: Requests | Pace | Places) -> Iterator[str]:
    """The command line that says them: what differs from the defaults."""
    for field in fields(options):
        value: Any = getattr(options, field.name)
        flag = field.name.replace("_", "-")
        if value == field.default:
            continue
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
            continue
        for one in value if isinstance(value, tuple) else (value,):
            yield from (f"--{flag}", str(one))
