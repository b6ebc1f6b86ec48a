"""Knative's labels and annotations, and the names of what a revision is made of."""

from __future__ import annotations

GROUP = "serving.knative.dev"

SERVICE = f"{GROUP}/service"
SERVICE_UID = f"{GROUP}/serviceUID"
CONFIGURATION = f"{GROUP}/configuration"
CONFIGURATION_UID = f"{GROUP}/configurationUID"
CONFIGURATION_GENERATION = f"{GROUP}/configurationGeneration"
REVISION = f"{GROUP}/revision"
REVISION_UID = f"{GROUP}/revisionUID"
ROUTE = f"{GROUP}/route"
ROUTING_STATE = f"{GROUP}/routingState"
ROUTING_STATE_MODIFIED = f"{GROUP}/routingStateModified"
CREATOR = f"{GROUP}/creator"
LAST_MODIFIER = f"{GROUP}/lastModifier"
ROLLOUT_DURATION = f"{GROUP}/rollout-duration"
PROGRESS_DEADLINE = f"{GROUP}/progress-deadline"
NO_GC = f"{GROUP}/no-gc"
ROUTES = f"{GROUP}/routes"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
VISIBILITY = "networking.knative.dev/visibility"
HTTP_PROTOCOL = "networking.knative.dev/http-protocol"
AUTOSCALING = "autoscaling.knative.dev/"

IDEMPOTENT = "tidegate.dev/idempotent"  # "true": the service says that its calls may be repeated
TLS = "tidegate.dev/tls"  # "true": HTTPS with a certificate made here; else the name of a Secret
OPENAI_PATH = "tidegate.dev/openai-path"  # where its server has the OpenAI API, if not at /v1
MODELS = "tidegate.dev/models"  # names, with commas, for the OpenAI API of all models
#: Of a revision: the container (JSON) that takes its requests, in front of the one in its document.
IN_FRONT = "internal.serving.kserve.io/agent"
STANDBY = "tidegate.dev/standby"  # pod label: at rest, at this level; no request is sent there
RESTING = "Standby"  # reason of a pod's Ready condition while it is at rest
STANDBY_HELD = "tidegate.dev/standby-held"  # of a Deployment: what its ReplicaSet keeps at rest
#: Of a ReplicaSet whose standby is `imported`: the kinds of the zygotes that are kept for it, with commas;
#: empty: its server has none.
STANDBY_ZYGOTES = "tidegate.dev/standby-zygotes"
DRAINED = "tidegate.dev/Drained"  # pod condition: the gateway has sent its last request there

#: Which tag a request was sent to, by host or by this header itself, and whether to none.
TAG_HEADER = "Knative-Serving-Tag"
DEFAULT_ROUTE_HEADER = "Knative-Serving-Default-Route"

ACTIVE = "active"
RESERVE = "reserve"
PENDING = "pending"

SYSTEM_NAMESPACE = "knative-serving"
USER_PORT = "user-port"
DEFAULT_PORT = 8080
