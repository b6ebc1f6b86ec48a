"""Documents in, admitted objects or refusals out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidegate.model.admission import KNATIVE, admit_built_in, admit_knative
from tidegate.model.admission.knative import AnnotationChecks, Features, RevisionDefaults, Settings
from tidegate.model.errors import BadRequest, Invalid
from tidegate.model.kinds import BY_GVK
from tidegate.model.meta import Object
from tidegate.model.wire import read
from tidegate.policy import annotations
from tidegate.policy.config_autoscaler import AutoscalerConfig

WEBHOOK = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: '


def parsed(document: dict[str, Any]) -> Object:
    body = dict(document)
    kind = BY_GVK[body.pop("apiVersion"), body.pop("kind")]
    value, reading = read(body, kind.type)
    assert reading.unknown == ()
    return value


def settings(
    flags: dict[str, str] | None = None, defaults: RevisionDefaults | None = None
) -> Settings:
    config = AutoscalerConfig()
    return Settings(
        defaults=defaults or RevisionDefaults(),
        features=Features(flags or {}),
        checks=AnnotationChecks(
            lambda given: annotations.validate_autoscaling(given, config),
            annotations.validate_no_autoscaling,
            annotations.validate_rollout_duration,
            annotations.validate_progress_deadline,
        ),
    )


def _admit(
    document: dict[str, Any] | Object,
    old: Object | None = None,
    *,
    user: str = "ann",
    flags: dict[str, str] | None = None,
    defaults: RevisionDefaults | None = None,
) -> Object:
    obj = parsed(document) if isinstance(document, dict) else document
    if type(obj) in KNATIVE:
        return admit_knative(obj, old, settings(flags, defaults), user=user)
    return admit_built_in(obj, old)


def _refusal(document: dict[str, Any] | Object, old: Object | None = None, **more: Any) -> Any:
    """Of built-in kinds `field: message` of each cause, of Knative's the text; None: admitted."""
    try:
        _admit(document, old, **more)
    except Invalid as why:
        return [f"{cause.field}: {cause.message}" for cause in why.causes]
    except BadRequest as why:
        opening, denied, text = why.message.partition(f"{WEBHOOK}validation failed: ")
        return text if denied and not opening else f"not the webhook's words: {why.message}"
    return None


@pytest.fixture
def admit() -> Callable[..., Any]:
    return _admit


@pytest.fixture
def refusal() -> Callable[..., Any]:
    return _refusal
