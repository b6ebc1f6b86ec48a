"""One run as it was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from tidegate.batch.places import StoreAccess, is_object
from tidegate.batch.rows import Format
from tidegate.batch.shapes import Shape

OnError = Literal["record", "stop"]


@dataclass(frozen=True, slots=True)
class Plan:
    """`url` is the server and what stands before a request's path; `host` replaces its name in the Host
    header. `concurrency` None: adapts. `limit` None: all rows. `run` makes this run differ from one with
    the same settings. Times are in seconds."""

    url: str
    input: str
    output: str
    input_format: Format
    output_format: Format
    shape: Shape
    service: str = ""  # its name, the same wherever it answers; empty: the URL is its name
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    access: StoreAccess = field(default_factory=StoreAccess)
    batch_size: int = 1
    concurrency: int | None = None
    most_concurrency: int = 256
    ordered: bool = True
    limit: int | None = None
    retries: int = 3
    timeout_s: float = 600.0
    patience_s: float = 300.0
    hopeless_after: int | None = 100  # rows that failed before any was served end it; None: none do
    save_s: float = 1.0  # between two entries of the journal
    on_error: OnError = "record"
    overwrite: bool = False
    counts_as_demand: bool = False
    run: str = ""
    state_folder: Path | None = None  # for outputs in a store; None: the output is a file

    @property
    def local_output(self) -> Path:
        """The output, or what stands for one in a store until it is uploaded."""
        return local_name(self.output, self.state_folder)

    @property
    def failed_place(self) -> str:
        """Where the side file is in the end."""
        return f"{self.output if is_object(self.output) else self.local_output}.failed.jsonl"

    def about(self, input_identity: str) -> Mapping[str, str]:
        """What must be the same for one run to go on where another stopped: all that decides which
        rows there are and what their lines look like."""
        shape = self.shape
        shaped = msgspec.json.encode(
            (shape.columns, shape.keep, shape.id_column, shape.with_input)
        ).decode()
        return {
            "input": input_identity,
            "output": self.output if is_object(self.output) else str(self.local_output.absolute()),
            "service": "" if self.run else self.service or f"{self.url} {self.host or ''}",
            "protocol": f"{shape.protocol} {shape.path or ''}",
            "columns": shaped,
            "template": "" if shape.template is None else repr(shape.template.value),
            "order": str(self.ordered),
            "limit": str(self.limit),
            "run": self.run,
        }


def local_name(output: str, state_folder: Path | None) -> Path:
    """The name on this machine of an output: its own, or one in the folder for those of stores."""
    if not is_object(output):
        return Path(output.removeprefix("file://"))
    assert state_folder is not None
    digest = hashlib.sha256(output.encode()).hexdigest()[:16]
    return state_folder / f"{digest}-{output.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. `fraction` None: how much there is isn't known; `per_s` is of this start."""

    served: int
    failed: int
    fraction: float | None
    per_s: float
    in_flight: int
    limit: int
    yields: int  # requests that were taken back for online ones
    waiting: str | None  # why nothing goes on; None: it does


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended. `resumed_at` None: it began with this start."""

    served: int
    failed: int
    took_s: float
    resumed_at: int | None
    already_complete: bool
    yields: int
    output: str
    failed_file: str | None
