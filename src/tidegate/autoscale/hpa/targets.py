"""The object that an autoscaler scales: found, seen and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.client.api import Api, Reader
from tidegate.kit.clock import Clock
from tidegate.model.autoscaling import CrossVersionObjectReference, HorizontalPodAutoscaler
from tidegate.model.errors import ApiError, Conflict, NotFound
from tidegate.model.kinds import SERVED, Kind
from tidegate.model.label_text import BadSelector, Selector, parse_selector, selects
from tidegate.model.meta import Object, controller_of
from tidegate.model.pods import Pod
from tidegate.model.scale import scale_view, with_replicas
from tidegate.model.serving import PodAutoscaler
from tidegate.scaling.hpa import Scale

_WRITES, _PAUSE_S = 5, 0.01
_KPA = "kpa.autoscaling.knative.dev"
_CLASS = "autoscaling.knative.dev/class"


@dataclass(frozen=True, slots=True)
class Target:
    """`selector` None: the scale could not be read, or names no pods that can be told."""

    scale: Scale
    selector: Selector | None


def observe(api: Reader, hpa: HorizontalPodAutoscaler) -> Target:
    """The scale of an autoscaler's target. Raises nothing: what is wrong is in `scale.failed`."""
    try:
        obj = find_scaled(api, hpa.metadata.namespace or "", hpa.spec.scale_target_ref)
    except ApiError as why:
        return Target(Scale(failed=why.message), None)
    view = scale_view(obj)
    scale = Scale(view.replicas, view.observed, view.selector)
    if not view.selector:
        return Target(scale, None)
    try:
        return Target(scale, parse_selector(view.selector))
    except BadSelector as why:
        failed = Scale(view.replicas, view.observed, view.selector, unparsable=str(why))
        return Target(failed, None)


async def write_replicas(
    api: Api, clock: Clock, namespace: str, ref: CrossVersionObjectReference, replicas: int
) -> str | None:
    """Write the wish, as Kubernetes does up to five times when others write too. The answer says why it
    could not be; None: it was."""
    failed = ""
    for _ in range(_WRITES):
        try:
            await api.update(with_replicas(find_scaled(api, namespace, ref), replicas))
        except Conflict as why:
            failed = why.message
            await clock.sleep(_PAUSE_S)
        except ApiError as why:
            return why.message
        else:
            return None
    return failed


class NoSuchTarget(ApiError):
    """The reference names no kind with replicas."""

    code, reason = 404, "NotFound"


class OtherOwner(ApiError):
    """Somebody else sets these replicas."""

    code, reason = 409, "Conflict"


def find_scaled(api: Reader, namespace: str, ref: CrossVersionObjectReference) -> Object:
    """The object whose replicas are to be set. Raises NoSuchTarget, NotFound, OtherOwner."""
    kind = _kind(ref)
    found = api.get(kind.type, namespace, ref.name)
    if found is None:
        raise NotFound(kind.resource, ref.name)
    _check_free(api, namespace, found, kind)
    return found


def _kind(ref: CrossVersionObjectReference) -> Kind:
    group = (ref.api_version or "").rpartition("/")[0]
    for kind in SERVED:
        if (kind.group, kind.kind) == (group, ref.kind):
            if kind.has_scale:
                return kind
            raise NoSuchTarget(f"{kind.resource} has no scale subresource: nothing to set there")
    raise NoSuchTarget(
        "unable to determine resource for scale target reference: no matches for kind "
        f'"{ref.kind}" in group "{group}"'
    )


def _check_free(api: Reader, namespace: str, found: Object, kind: Kind) -> None:
    """One writer for each count: a revision's replicas are the Knative autoscaler's, a Deployment's
    ReplicaSets the Deployment's. Raises OtherOwner."""
    owner = controller_of(found.metadata)
    if owner is not None and owner.kind == "Deployment":
        raise OtherOwner(
            f'{kind.resource} "{found.metadata.name}" belongs to Deployment "{owner.name}", which sets '
            "its replicas: name that in scaleTargetRef"
        )
    if owner is None or owner.kind != "Revision":
        return
    autoscaler = api.get(PodAutoscaler, namespace, owner.name)
    if autoscaler is None:
        return
    class_ = autoscaler.metadata.annotations.get(_CLASS, _KPA)
    if class_ == _KPA:
        raise OtherOwner(
            f'{kind.resource} "{found.metadata.name}" belongs to Revision "{owner.name}", whose '
            "replicas Knative's autoscaler sets: use the annotations autoscaling.knative.dev/* of its "
            "Service"
        )


def chosen(api: Reader, namespace: str, selector: Selector) -> Sequence[Pod]:
    return [pod for pod in api.list(Pod, namespace) if selects(selector, pod.metadata.labels)]
