"""Admission of KServe's kinds."""

from tidegate.model.admission.kserve.kinds import KSERVE, admit_kserve, kserve_notes, mode_of

__all__ = ["KSERVE", "admit_kserve", "kserve_notes", "mode_of"]
