"""The kinds, a file for each family. Their order counts where two have one plural: the first is what
`kubectl get ingress` means."""

from tidegate.model.kind import Kind
from tidegate.model.kind_tables import data, istio, knative, kserve, kubernetes, ours, scalers

_FAMILIES = (kubernetes, istio, knative, scalers, kserve, data, ours)

KINDS: tuple[Kind, ...] = tuple(kind for family in _FAMILIES for kind in family.KINDS)
#: The other versions of kinds above, newest first.
VERSIONS: tuple[Kind, ...] = tuple(kind for family in _FAMILIES for kind in family.VERSIONS)

__all__ = ["KINDS", "VERSIONS"]
