"""`arena serve traffic-router-split`: weights of Istio, which isn't here."""

from __future__ import annotations

from typing import NoReturn

from tidegate.cli.errors import Usage


def split_traffic() -> NoReturn:
    """Raises `Usage` with what does the same here."""
    raise Usage(
        "arena serve traffic-router-split: it writes Istio's VirtualServices, and there is no Istio "
        "here: split with `canary-weight` on an Ingress of the versions' Services, with the traffic "
        "of a Knative Service, or with --canary-traffic-percent of `arena serve kserve`"
    )
