"""`tidegate status`: which processes an engine has and where it answers."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cli.engine import Engine, engine_of
from tidegate.cli.options import AsTable, DataDir, home_of
from tidegate.cli.tables import show_table
from tidegate.cli.zygotes_shown import memory_text, pss_kib, zygotes_of
from tidegate.kit.home import Home


def status(
    *,
    output: AsTable = "table",
    data_dir: DataDir = None,
) -> int:
    """Show the engine's processes, their memory and addresses. Exits with 1 when none runs.

    Example: tidegate status -o json
    """
    home = home_of(data_dir)
    engine = engine_of(home)
    if output == "json":
        print(json.dumps(as_json(engine, home)))
        return 0
    show_table(
        ["PART", "PID", "MEMORY", "ADDRESS"],
        [
            _row("keeper", engine.keeper_pid),
            _row("control plane", engine.control_plane_pid, engine.api_url),
            _row("gateway", engine.gateway_pid, engine.gateway_url),
            *(["", "", "", url] for url in (engine.https_url, engine.ingress_url) if url),
            *([f"zygote {z.kind}", str(z.pid), z.memory, ""] for z in zygotes_of(home)),
        ],
    )
    print(f"\nkubeconfig  {home.kubeconfig}\ndata        {home.root}")
    return 0


def as_json(engine: Engine, home: Home) -> dict[str, Any]:
    """What scripts read; a pid is null while its part is being restarted."""
    return {
        "keeper": {"pid": engine.keeper_pid},
        "control_plane": {"pid": engine.control_plane_pid},
        "gateway": {
            "pid": engine.gateway_pid,
            "url": engine.gateway_url,
            "https_url": engine.https_url,  # null: its port could not be had
            "ingress_url": engine.ingress_url,  # null: no address of its own
        },
        "api": {"url": engine.api_url},
        "zygotes": [{"kind": z.kind, "pid": z.pid, "pss_kib": z.pss_kib} for z in zygotes_of(home)],
        "kubeconfig": str(home.kubeconfig),
        "data_dir": str(home.root),
    }


def _row(part: str, pid: int | None, address: str = "") -> list[str]:
    if pid is None:
        return [part, "restarting", "", address]
    return [part, str(pid), memory_text(pss_kib(pid)), address]
