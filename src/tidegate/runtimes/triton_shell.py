"""The ASGI application of a Triton stand-in: V2 with the model's one version in the path or not."""

from __future__ import annotations

import re
from typing import Any

from tidegate.runtimes.shell import Receive, Send, Shell

_VERSIONED = re.compile(r"(/v2/models/[^/]+)/versions/([^/]+)(|/ready|/infer)")


class TritonShell(Shell):
    """Serves `/v2/models/m/versions/N/...` as `/v2/models/m/...`; any other version is refused."""

    def __init__(self, version: str, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._version = version

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        found = _VERSIONED.fullmatch(scope["path"])
        if found is not None and found[2] == self._version:
            scope = {**scope, "path": found[1] + found[3]}
        await super().__call__(scope, receive, send)
