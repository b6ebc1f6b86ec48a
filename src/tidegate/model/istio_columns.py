"""What `kubectl get vs,dr` prints, as the columns of Istio's CRDs say.

Source: istio manifests/charts/base/files/crd-all.gen.yaml (additionalPrinterColumns).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.model.column import AGE, NAME, text


def _listed(values: Sequence[str]) -> str:
    """A list in a CRD's column is printed as JSON; one that is not there, as nothing."""
    return msgspec.json.encode(values).decode() if values else ""


VIRTUAL_SERVICE = (
    NAME,
    text("Gateways", lambda obj, now_s: _listed(obj.spec.gateways)),
    text("Hosts", lambda obj, now_s: _listed(obj.spec.hosts)),
    AGE,
)
DESTINATION_RULE = (NAME, text("Host", lambda obj, now_s: obj.spec.host), AGE)
