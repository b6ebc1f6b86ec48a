"""KServe's labels and annotations, and the names of what an InferenceService is made of."""

from __future__ import annotations

GROUP = "serving.kserve.io"

DEPLOYMENT_MODE = f"{GROUP}/deploymentMode"
AUTOSCALER_CLASS = f"{GROUP}/autoscalerClass"
METRIC = f"{GROUP}/metric"
TARGET_UTILIZATION = f"{GROUP}/targetUtilizationPercentage"
ENABLE_PROMETHEUS = f"{GROUP}/enable-prometheus-scraping"
STOP = f"{GROUP}/stop"
TAG_ROUTING = f"{GROUP}/enable-tag-routing"
INFERENCE_SERVICE = f"{GROUP}/inferenceservice"
COMPONENT = "component"
APP = "app"
VISIBILITY = "networking.kserve.io/visibility"
READ_ONLY = "storage.kserve.io/readonly"
METRIC_AGGREGATION = f"{GROUP}/enable-metric-aggregation"
STORAGE_SECRET = f"{GROUP}/storageSecretName"
#: On a ScaledObject: which of its annotations are the InferenceService's.
HANDED_ON = "tidegate.dev/handed-on"

STANDARD = "Standard"
KNATIVE = "Knative"
#: Old spellings of the modes, and today's.
MODES = {"RawDeployment": STANDARD, "Serverless": KNATIVE, STANDARD: STANDARD, KNATIVE: KNATIVE}

HPA, KEDA, EXTERNAL, NONE = "hpa", "keda", "external", "none"

CONTAINER = "kserve-container"
TRANSFORMER_CONTAINER = "transformer-container"
DEFAULT_PORT = 8080
AGENT, AGENT_PORT, AGENT_IMAGE = "agent", 9081, "kserve/agent:latest"
MODEL_PATH = "/mnt/models"
STORAGE_URI = "STORAGE_URI"
STORAGE_INITIALIZER = "storage-initializer"
STORAGE_INITIALIZER_IMAGE = "kserve/storage-initializer:latest"
#: The Secret that `storage.key` chooses from, and how the choice reaches the init container.
STORAGE_CONFIG = "storage-config"
STORAGE_CONFIG_VARIABLE, STORAGE_OVERRIDE_VARIABLE = "STORAGE_CONFIG", "STORAGE_OVERRIDE_CONFIG"
STORAGE_PLACEHOLDER = "<scheme-placeholder>"

SYSTEM_NAMESPACE = "kserve"
CONFIG = "inferenceservice-config"


def child(isvc: str, component: str) -> str:
    """`component` is predictor or transformer."""
    return f"{isvc}-{component}"


def app_label(isvc: str, component: str) -> str:
    return f"isvc.{child(isvc, component)}"


def is_kedas(annotation: str) -> bool:
    """One that KEDA reads at a ScaledObject."""
    return annotation.partition("/")[0].endswith("keda.sh")
