"""Knative's own annotations that are kept and do nothing here, in words for their author.

Those about scaling are `annotation_notes`' business. Knative keeps unknown keys in silence; a promise
of ours is that nothing is silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from tidegate.model import serving_names as names
from tidegate.policy.annotation_keys import PROGRESS_DEADLINE
from tidegate.policy.annotations import ROLLOUT_DURATION
from tidegate.policy.batch_share import KEY as BATCH_SHARE
from tidegate.policy.batch_share import share_notes
from tidegate.policy.gpu_cards import CARDS_NOTE
from tidegate.policy.prefetch import PREFETCH
from tidegate.policy.route_annotations import PROMOTE, SHADOW, STICKY
from tidegate.policy.standby import KEYS as STANDBY_KEYS

_SERVING, _NETWORKING, _FEATURES = (
    f"{group}.knative.dev/" for group in ("serving", "networking", "features")
)
_OURS = "tidegate.dev/"
_CLUSTER = "kept, but it only has an effect on a cluster"
_NO_PROXY = "kept, but no queue-proxy runs beside the containers here"

_ROLLOUT = {ROLLOUT_DURATION.key, ROLLOUT_DURATION.legacy or ""}
_MARKS = {
    names.CREATOR,
    names.LAST_MODIFIER,
    names.ROUTES,
    names.ROUTING_STATE_MODIFIED,
    f"{_SERVING}lastPinned",
}
#: What has an effect, or is written by admission and controllers, on metadata and in templates.
_OF_METADATA = (
    _ROLLOUT | _MARKS | {names.HTTP_PROTOCOL, names.TLS, names.MODELS, STICKY, SHADOW, PROMOTE}
)
_OF_TEMPLATES = _MARKS | {
    PROGRESS_DEADLINE.key,
    names.NO_GC,
    f"{_FEATURES}http-full-duplex",
    names.IDEMPOTENT,
    CARDS_NOTE,
    BATCH_SHARE,
    PREFETCH,
    *STANDBY_KEYS,
}

_IDLE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            f"{_NETWORKING}{key}"
            for key in (
                "ingress-class",
                "ingress.class",
                "certificate-class",
                "certificate.class",
                "wildcardDomain",
            )
        ),
        _CLUSTER,
    ),
    f"{_FEATURES}queueproxy-podinfo": _NO_PROXY,
}
_PROTOCOLS = ("", "enabled", "redirected")


def metadata_notes(annotations: Mapping[str, str]) -> list[str]:
    """Of a Service's, Route's or DomainMapping's own metadata: one sentence for each without an effect."""
    notes = _notes(annotations, _OF_METADATA, (_SERVING, _NETWORKING, _OURS))
    rollout = ROLLOUT_DURATION.find(annotations)
    if rollout is not None and annotations.get(PROMOTE, "false").lower() not in ("false", ""):
        notes.append(f"{rollout[0]}: {PROMOTE} goes before it, it has no effect")
    protocol = annotations.get(names.HTTP_PROTOCOL, "")
    if protocol.lower() not in _PROTOCOLS:
        said = f"{protocol} is neither enabled nor redirected, enabled counts"
        notes.append(f"{names.HTTP_PROTOCOL}: {said}")
    return notes


def template_notes(annotations: Mapping[str, str]) -> list[str]:
    """Of a revision's template."""
    prefixes = (_SERVING, _NETWORKING, _FEATURES, _OURS)
    return [*_notes(annotations, _OF_TEMPLATES, prefixes), *share_notes(annotations)]


def _notes(annotations: Mapping[str, str], known: set[str], prefixes: tuple[str, ...]) -> list[str]:
    return [
        f"{key}: {_IDLE.get(key) or _unknown(key, known)}"
        for key in sorted(annotations)
        if key.startswith(prefixes) and key not in known
    ]


def _unknown(key: str, known: set[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.9)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"no such annotation here, it has no effect{meant}"
