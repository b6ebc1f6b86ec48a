"""Autoscaling annotations that are kept and do nothing here, in words for their author.

Knative keeps such keys in silence; a promise of ours is that nothing is silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from tidegate.policy import annotation_keys as keys

_KNOWN: frozenset[str] = frozenset(
    spelling
    for value in vars(keys).values()
    if isinstance(value, keys.Annotation)
    for spelling in (value.key, value.legacy)
    if spelling is not None
)

_KPA_ONLY = f"only {keys.KPA_CLASS} goes by it, it has no effect"
#: A HorizontalPodAutoscaler has bounds, a metric, a target and a window; all else is the KPA's.
_NOT_FOR_HPA: frozenset[str] = _KNOWN - {
    spelling
    for annotation in (
        keys.CLASS,
        keys.METRIC,
        keys.TARGET,
        keys.WINDOW,
        keys.MIN_SCALE,
        keys.MAX_SCALE,
        keys.INITIAL_SCALE,
        keys.PROGRESS_DEADLINE,
    )
    for spelling in (annotation.key, annotation.legacy)
    if spelling is not None
}


def autoscaling_notes(annotations: Mapping[str, str]) -> list[str]:
    """One sentence for each autoscaling annotation without an effect, naming its key."""
    notes = [
        f"{key}: no such autoscaling annotation, it has no effect{_meant(key)}"
        for key in sorted(annotations)
        if key.startswith(keys.PREFIX) and key not in _KNOWN
    ]
    class_ = annotations.get(keys.CLASS.key, keys.KPA_CLASS)
    if class_ == keys.HPA_CLASS:
        notes += [f"{key}: {_KPA_ONLY}" for key in sorted(annotations) if key in _NOT_FOR_HPA]
    elif class_ != keys.KPA_CLASS:
        notes.append(
            f"{keys.CLASS.key}: no autoscaler of class {class_} runs here, {keys.KPA_CLASS} "
            "decides instead"
        )
        metric = annotations.get(keys.METRIC.key, "concurrency")
        if metric not in ("concurrency", "rps"):
            notes.append(
                f"{keys.METRIC.key}: {metric} is not known to it, concurrency counts instead"
            )
    return notes


def _meant(key: str) -> str:
    near = get_close_matches(key, _KNOWN, n=1, cutoff=0.85)
    return f" (did you mean {near[0]}?)" if near else ""
