"""Revision names that a document chooses itself.

Source: knative/serving pkg/reconciler/configuration/configuration.go (`CheckNameAvailability`).
"""

from __future__ import annotations

from tidegate.model import serving_names as names
from tidegate.model.meta import controller_of
from tidegate.model.serving import Configuration, Revision


def is_taken(configuration: Configuration, revision: Revision | None) -> bool:
    """Whether the revision that is there under the chosen name can't be the one that is wanted.

    One of the same Configuration can, if it was made for this generation or says the same: its spec
    is fixed, and labels that somebody added don't matter.
    """
    if revision is None:
        return False
    owner = controller_of(revision.metadata)
    if owner is None or owner.uid != configuration.metadata.uid:
        return True
    made_for = revision.metadata.labels.get(names.CONFIGURATION_GENERATION)
    if made_for == str(configuration.metadata.generation):
        return False
    return revision.spec != configuration.spec.template.spec
