"""`tidegate url`: how to reach a service from this machine."""

from __future__ import annotations

import json

from tidegate.cli.address import address_of, named
from tidegate.cli.options import AsText, DataDir, Namespace


def url(
    service: str,
    /,
    *,
    namespace: Namespace = "default",
    output: AsText = "text",
    data_dir: DataDir = None,
) -> int:
    """Print where a service answers: a URL that works as it is, then curl by the service's own host.

    Example: tidegate url iris

    Parameters
    ----------
    service
        A service by its name, or ksvc/NAME, isvc/NAME, svc/NAME[:PORT].
    """
    address = address_of(named(service), namespace, data_dir)
    if output == "json":
        print(
            json.dumps({"url": address.by_path, "gateway": address.gateway, "host": address.host})
        )
        return 0
    print(address.by_path)
    print(f"curl -H 'Host: {address.host}' {address.gateway}/")
    return 0
