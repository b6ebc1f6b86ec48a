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

SYSTEM_NAMESPACE = "kserve"
CONFIG = "inferenceservice-config"


def child(isvc: str, component: str) -> str:
    """`component` is predictor or transformer."""
    return f"{isvc}-{component}"


def app_label(isvc: str, component: str) -> str:
    return f"isvc.{child(isvc, component)}"
