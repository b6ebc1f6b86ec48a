"""The commands of `tidegate batch`."""

from __future__ import annotations

from tidegate.cli.options import commands

batch = commands(
    "batch",
    """Run rows of a data set through a service, each once in the output, here or as a Job.

    Example: tidegate batch run iris --input flowers.csv --output kinds.jsonl --protocol v1

    Example: tidegate batch status batch-iris-1a2b3c4d
    """,
    {
        "run": "batch.run:run",
        "ls, list": "batch.jobs:ls",
        "status": "batch.jobs:status",
        "cancel": "batch.jobs:cancel",
    },
)
