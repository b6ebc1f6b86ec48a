"""`tidegate url`: how to reach a service from this machine."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from cyclopts import Parameter

from tidegate.cli.options import DataDir, Namespace
from tidegate.cli.service_address import service_address


def url(
    service: str,
    /,
    *,
    namespace: Namespace = "default",
    output: Annotated[Literal["text", "json"], Parameter(name=["--output", "-o"])] = "text",
    data_dir: DataDir = None,
) -> int:
    """Print where a service answers: a URL that works as it is, then curl by the service's own host.

    Example: tidegate url iris

    Parameters
    ----------
    service
        Name of a Knative Service.
    output
        text or json.
    """
    address = service_address(service, namespace, data_dir)
    if output == "json":
        print(
            json.dumps({"url": address.by_path, "gateway": address.gateway, "host": address.host})
        )
        return 0
    print(address.by_path)
    print(f"curl -H 'Host: {address.host}' {address.gateway}/")
    return 0
