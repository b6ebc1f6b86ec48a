"""What a document becomes when it is admitted: defaults, refusals, and what may not change.

Pure: the settings come in as values. `apiserver.admission` reads them and calls in here.
"""

from tidegate.model.admission.knative import KNATIVE, admit_knative
from tidegate.model.admission.kserve import KSERVE, admit_kserve, kserve_notes, mode_of
from tidegate.model.admission.rules import BUILT_IN, admit_built_in
from tidegate.model.admission.warnings import warnings_for, warnings_of

__all__ = [
    "BUILT_IN",
    "KNATIVE",
    "KSERVE",
    "admit_built_in",
    "admit_knative",
    "admit_kserve",
    "kserve_notes",
    "mode_of",
    "warnings_for",
    "warnings_of",
]
