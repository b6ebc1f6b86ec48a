"""Admission of KServe's kinds."""

from tidegate.model.admission.kserve.kinds import KSERVE, admit_kserve
from tidegate.model.admission.kserve.modes import mode_of
from tidegate.model.admission.kserve.notes import kserve_notes

__all__ = ["KSERVE", "admit_kserve", "kserve_notes", "mode_of"]
