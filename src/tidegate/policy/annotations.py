"""What admission refuses in autoscaling annotations, in Knative's words.

Error paths are the bare annotation keys; the caller puts `spec.template.metadata.annotations.`
(or wherever they stand) in front. Two of Knative's paths carry a clause after the key, see
`_initial_scale`; they are its own texts.

Source: Knative, serving pkg/apis/autoscaling/annotation_validation.go and
pkg/apis/serving/metadata_validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.kit.duration import format_duration
from tidegate.model.field_errors import FieldError
from tidegate.policy import annotation_keys as keys
from tidegate.policy.annotation_keys import Annotation
from tidegate.policy.config_autoscaler import (
    TARGET_LEAST,
    WINDOW_LEAST_S,
    WINDOW_MOST_S,
    AutoscalerConfig,
)
from tidegate.policy.go_values import BadValue, number_text, parse_float, parse_int, parse_seconds

_INT32_MOST = 2**31 - 1
_PRECISION = "must be specified with at most second precision"
_ALGORITHMS = ("", "linear", "weighted-exponential", "weightedExponential")
_KPA_METRICS = ("concurrency", "rps")

ROLLOUT_DURATION = Annotation(
    "serving.knative.dev/rollout-duration", "serving.knative.dev/rolloutDuration"
)


def validate_autoscaling(
    annotations: Mapping[str, str], config: AutoscalerConfig
) -> list[FieldError]:
    """All that is wrong with a revision template's autoscaling annotations; empty: nothing."""
    return [
        *_class(annotations),
        *_scales(annotations, config),
        *_between(keys.PANIC_WINDOW, annotations, 1, 100),
        *_between(keys.PANIC_THRESHOLD, annotations, 110, 1000),
        *_target(annotations),
        *_between(keys.TARGET_UTILIZATION, annotations, 1, 100),
        *_burst_capacity(annotations),
        *_duration(keys.WINDOW, annotations, WINDOW_LEAST_S, whole_seconds=True),
        *_duration(keys.POD_RETENTION, annotations, 0.0, whole_seconds=False),
        *_duration(keys.SCALE_DOWN_DELAY, annotations, 0.0, whole_seconds=True),
        *_metric(annotations),
        *_algorithm(annotations),
        *_initial_scale(annotations, config),
    ]


def validate_no_autoscaling(annotations: Mapping[str, str]) -> list[FieldError]:
    """The check for a Service's, Configuration's or Route's own metadata, where autoscaling
    annotations would have no effect. The path is complete: `metadata.annotations`."""
    return [
        FieldError(
            f'invalid key name "{key}"',
            ("metadata.annotations",),
            'autoscaling annotations must be put under "spec.template.metadata.annotations" '
            "to work",
        )
        for key in sorted(annotations)
        if key.startswith(keys.PREFIX.rstrip("/"))
    ]


def validate_rollout_duration(annotations: Mapping[str, str]) -> list[FieldError]:
    """The rollout duration on a Service's or Route's metadata: whole seconds, 0 or more."""
    return list(_whole_seconds(ROLLOUT_DURATION, annotations))


def validate_progress_deadline(annotations: Mapping[str, str]) -> list[FieldError]:
    """The progress deadline on a revision template: whole seconds, 0 or more."""
    return list(_whole_seconds(keys.PROGRESS_DEADLINE, annotations))


def _class(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    found = keys.CLASS.find(annotations)
    known = (keys.KPA_CLASS, keys.HPA_CLASS)
    if found and found[1].endswith(".knative.dev") and found[1] not in known:
        yield _invalid(*found)


def _scales(annotations: Mapping[str, str], config: AutoscalerConfig) -> Iterator[FieldError]:
    # A bad count goes on as 0, so that one mistake can be reported twice; so does Knative.
    low, low_errors = _count(keys.MIN_SCALE, annotations)
    high, high_errors = _count(keys.MAX_SCALE, annotations)
    yield from low_errors
    yield from high_errors
    if high != 0 and high < low:
        yield FieldError(
            f"max-scale={high} is less than min-scale={low}",
            (keys.MAX_SCALE.key, keys.MIN_SCALE.key),
        )
    limit, found = config.max_scale_limit, keys.MAX_SCALE.find(annotations)
    if found and limit:
        if high > limit:
            yield _out_of_bounds(str(high), "1", str(limit), found[0])
        if high == 0:
            text = f"max-scale=0 (unlimited), must be less than {limit}"
            yield FieldError(text, (found[0],))
    yield from _activation_scale(annotations, low, high)


def _activation_scale(annotations: Mapping[str, str], low: int, high: int) -> Iterator[FieldError]:
    found = keys.ACTIVATION_SCALE.find(annotations)
    if not found:
        return
    key, text = found
    try:
        count = parse_int(text)
    except BadValue:
        yield _invalid(key, text)
        return
    if low > count:
        yield FieldError(f"min-scale={low} is greater than activation-scale={count}", (key,))
    elif 0 < high < count:
        yield FieldError(f"max-scale={high} is less than activation-scale={count}", (key,))
    elif count < 2:
        yield FieldError(f"activation-scale={count} must be greater than 1", (key,))


def _count(
    annotation: Annotation, annotations: Mapping[str, str]
) -> tuple[int, tuple[FieldError, ...]]:
    found = annotation.find(annotations)
    if not found:
        return 0, ()
    key, text = found
    try:
        count = parse_int(text)
    except BadValue as why:
        if why.out_of_range:
            return 0, (_out_of_bounds(text, "0", str(_INT32_MOST), key),)
        return 0, (_invalid(key, text),)
    if count < 0:
        return 0, (_out_of_bounds(text, "0", str(_INT32_MOST), key),)
    return count, ()


def _between(
    annotation: Annotation, annotations: Mapping[str, str], least: int, most: int
) -> Iterator[FieldError]:
    found = annotation.find(annotations)
    if not found:
        return
    value = annotation.read(annotations, parse_float)
    if value is None:
        yield _invalid(*found)
    elif not least <= value <= most:
        yield _out_of_bounds(found[1], str(least), str(most), found[0])


def _target(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    found = keys.TARGET.find(annotations)
    if not found:
        return
    value = keys.TARGET.read(annotations, parse_float)
    if value is None:
        yield _invalid(*found)
    elif value < TARGET_LEAST:
        text = f"target {found[1]} should be at least {number_text(TARGET_LEAST)}"
        yield FieldError(text, (found[0],))


def _burst_capacity(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    found = keys.TARGET_BURST_CAPACITY.find(annotations)
    if not found:
        return
    value = keys.TARGET_BURST_CAPACITY.read(annotations, parse_float)
    if value is None or (value < 0 and value != -1):
        yield _invalid(*found)


def _duration(
    annotation: Annotation, annotations: Mapping[str, str], least_s: float, *, whole_seconds: bool
) -> Iterator[FieldError]:
    found = annotation.find(annotations)
    if not found:
        return
    key, text = found
    value_s = annotation.read(annotations, parse_seconds)
    if value_s is None:
        yield _invalid(key, text)
    elif not least_s <= value_s <= WINDOW_MOST_S:
        yield _out_of_bounds(text, format_duration(least_s), format_duration(WINDOW_MOST_S), key)
    elif whole_seconds and value_s != int(value_s):
        yield FieldError(_PRECISION, (key,))


def _metric(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    found = keys.METRIC.find(annotations)
    if not found:
        return
    scaler = keys.CLASS.find(annotations)
    scaler_class = scaler[1] if scaler else keys.KPA_CLASS
    if scaler_class == keys.KPA_CLASS and found[1] not in _KPA_METRICS:
        yield _invalid(*found)
    if scaler_class == keys.HPA_CLASS and found[1] == "":
        yield _invalid(*found)


def _algorithm(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    # Only where the class is said to be Knative's own: other autoscalers have other algorithms.
    scaler, found = keys.CLASS.find(annotations), keys.ALGORITHM.find(annotations)
    if scaler and scaler[1] == keys.KPA_CLASS and found and found[1] not in _ALGORITHMS:
        yield _invalid(*found)


def _initial_scale(
    annotations: Mapping[str, str], config: AutoscalerConfig
) -> Iterator[FieldError]:
    found = keys.INITIAL_SCALE.find(annotations)
    if not found:
        return
    key, text = found
    try:
        count = parse_int(text, 64)
    except BadValue:
        yield _invalid(key, text)
        return
    if count < 0:
        yield _invalid(f"{key} must be greater than 0", text)
    elif count == 0 and not config.allow_zero_initial_scale:
        yield _invalid(f"{key}=0 not allowed by cluster", text)


def _whole_seconds(annotation: Annotation, annotations: Mapping[str, str]) -> Iterator[FieldError]:
    found = annotation.find(annotations)
    if not found or not found[1]:
        return
    key, text = found
    name = annotation.key.rpartition("/")[2]
    value_s = annotation.read(annotations, parse_seconds)
    if value_s is None:
        yield _invalid(key, text)
    elif value_s != int(value_s):
        yield FieldError(f"{name}={text} is not at second precision", (key,))
    elif value_s < 0:
        yield FieldError(f"{name}={text} must be positive", (key,))


def _invalid(path: str, text: str) -> FieldError:
    return FieldError(f"invalid value: {text}", (path,))


def _out_of_bounds(text: str, least: str, most: str, path: str) -> FieldError:
    return FieldError(f"expected {least} <= {text} <= {most}", (path,))
