"""keda.sh/v1alpha1 ScaledObject and TriggerAuthentication.

Source: keda apis/keda/v1alpha1/{scaledobject,triggerauthentication}_types.go.
"""

from __future__ import annotations

from tidegate.model.autoscaling import HorizontalPodAutoscalerBehavior
from tidegate.model.column import AGE, NAME, Cell, number, text, wide
from tidegate.model.conditions import find
from tidegate.model.meta import Condition, Object
from tidegate.model.wire import NotHonoured, Wire, always


class KedaTargetRef(Wire, frozen=True, kw_only=True):
    """Without kind and apiVersion: a Deployment."""

    name: str = ""
    api_version: str | None = None
    kind: str | None = None
    env_source_container_name: NotHonoured = None


class KedaAuthenticationRef(Wire, frozen=True, kw_only=True):
    name: str = ""
    kind: str | None = None


class KedaTrigger(Wire, frozen=True, kw_only=True):
    """`metadata` holds what the type needs, all as text."""

    type: str = ""
    name: str | None = None
    metadata: dict[str, str] = {}
    metric_type: str | None = None
    authentication_ref: KedaAuthenticationRef | None = None
    use_cached_metrics: NotHonoured = None


class KedaHpaConfig(Wire, frozen=True, kw_only=True):
    name: str | None = None
    behavior: HorizontalPodAutoscalerBehavior | None = None


class KedaAdvanced(Wire, frozen=True, kw_only=True):
    horizontal_pod_autoscaler_config: KedaHpaConfig | None = None
    restore_to_original_replica_count: bool | None = None
    scaling_modifiers: NotHonoured = None


class KedaFallback(Wire, frozen=True, kw_only=True):
    """The size for want of a trigger's value, after more failures in a row than the threshold.
    `behavior` absent: static."""

    failure_threshold: int = always(0)
    replicas: int = always(0)
    behavior: str | None = None


class ScaledObjectSpec(Wire, frozen=True, kw_only=True):
    """Times in seconds. `min_replica_count` absent: 0; `max_replica_count`: 100."""

    scale_target_ref: KedaTargetRef = KedaTargetRef()
    triggers: tuple[KedaTrigger, ...] = ()
    polling_interval: int | None = None  # 30
    cooldown_period: int | None = None  # 300
    initial_cooldown_period: int | None = None  # 0
    idle_replica_count: int | None = None
    min_replica_count: int | None = None
    max_replica_count: int | None = None
    advanced: KedaAdvanced | None = None
    fallback: KedaFallback | None = None


class KedaHealth(Wire, frozen=True, kw_only=True):
    """Of one external metric; failures in a row. `status` Happy or Failing."""

    number_of_failures: int = always(0)
    status: str = always("Happy")


class KedaActivity(Wire, frozen=True, kw_only=True):
    is_active: bool = always(False)


class ScaledObjectStatus(Wire, frozen=True, kw_only=True):
    conditions: tuple[Condition, ...] = ()
    scale_target_kind: str | None = None
    hpa_name: str | None = None
    original_replica_count: int | None = None
    paused_replica_count: int | None = None
    last_active_time: str | None = None
    health: dict[str, KedaHealth] = {}
    external_metric_names: tuple[str, ...] = ()
    resource_metric_names: tuple[str, ...] = ()
    triggers_activity: dict[str, KedaActivity] = {}
    triggers_types: str | None = None
    authentications_types: str | None = None


class ScaledObject(Object, frozen=True, kw_only=True):
    spec: ScaledObjectSpec = ScaledObjectSpec()
    status: ScaledObjectStatus | None = None


# --- TriggerAuthentication


class AuthSecretTargetRef(Wire, frozen=True, kw_only=True):
    """One parameter of a trigger, from a key of a Secret (or ConfigMap) of the namespace."""

    parameter: str = ""
    name: str = ""
    key: str = ""


class TriggerAuthenticationSpec(Wire, frozen=True, kw_only=True):
    secret_target_ref: tuple[AuthSecretTargetRef, ...] = ()
    config_map_target_ref: tuple[AuthSecretTargetRef, ...] = ()
    env: NotHonoured = None
    file_path: NotHonoured = None
    pod_identity: NotHonoured = None
    hashi_corp_vault: NotHonoured = None
    azure_key_vault: NotHonoured = None
    gcp_secret_manager: NotHonoured = None
    aws_secret_manager: NotHonoured = None
    bound_service_account_token: NotHonoured = None
    oauth2: NotHonoured = None


class TriggerAuthenticationStatus(Wire, frozen=True, kw_only=True):
    scaledobjects: str | None = None
    scaledjobs: str | None = None


class TriggerAuthentication(Object, frozen=True, kw_only=True):
    spec: TriggerAuthenticationSpec = TriggerAuthenticationSpec()
    status: TriggerAuthenticationStatus | None = None


def _condition(type_: str) -> Cell:
    def cell(obj: ScaledObject, now_s: float) -> str:
        found = find(obj.status.conditions if obj.status else (), type_)
        return found.status if found is not None else ""

    return cell


def _of_status(field: str) -> Cell:
    return lambda obj, now_s: getattr(obj.status, field, None) or ""


def _of_spec(field: str) -> Cell:
    def cell(obj: ScaledObject, now_s: float) -> str | int:
        value: int | None = getattr(obj.spec, field)
        return "" if value is None else value

    return cell


COLUMNS = (
    NAME,
    text("ScaleTargetKind", _of_status("scale_target_kind")),
    text("ScaleTargetName", lambda obj, now_s: obj.spec.scale_target_ref.name),
    number("Min", _of_spec("min_replica_count")),
    number("Max", _of_spec("max_replica_count")),
    text("Ready", _condition("Ready")),
    text("Active", _condition("Active")),
    text("Fallback", _condition("Fallback")),
    text("Paused", _condition("Paused")),
    text("Triggers", _of_status("triggers_types")),
    text("Authentications", _of_status("authentications_types")),
    AGE,
)


def _names(field: str) -> Cell:
    def cell(obj: TriggerAuthentication, now_s: float) -> str:
        return ",".join(ref.name for ref in getattr(obj.spec, field))

    return cell


def _nothing(obj: TriggerAuthentication, now_s: float) -> str:
    """What is not honoured here has a column all the same, as in the CRD."""
    return ""


AUTHENTICATION_COLUMNS = (
    NAME,
    text("PodIdentity", _nothing),
    text("Secret", _names("secret_target_ref")),
    text("Env", _nothing),
    text("VaultAddress", _nothing),
    wide("ScaledObjects", _of_status("scaledobjects")),
    wide("ScaledJobs", _of_status("scaledjobs")),
)
