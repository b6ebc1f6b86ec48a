"""The commands of `tidegate cache`."""

from __future__ import annotations

from tidegate.cli.options import commands

cache = commands(
    "cache",
    """List, fetch, keep and remove the models and data sets on this machine's disk.

    An engine need not run. Keys come from the environment, as other tools read them: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCESS_KEY,
    HF_TOKEN.

    Example: tidegate cache warm s3://models/iris --endpoint http://127.0.0.1:9000 --pin
    """,
    {
        "ls, list": "cache.listing:ls",
        "warm": "cache.warm:warm",
        "pin": "cache.change:pin",
        "unpin": "cache.change:unpin",
        "rm, delete": "cache.change:rm",
        "verify": "cache.change:verify",
        "prune": "cache.change:prune",
    },
)
