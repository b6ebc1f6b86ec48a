"""Writes build/iris.yaml: a ConfigMap made from the trained model, and the Service beside it.

python examples/iris/prepare.py      (trains the model first if there is none)
"""

from __future__ import annotations

import base64
from pathlib import Path

import train

HERE = Path(__file__).parent
LIMIT_BYTES = 1024 * 1024  # Kubernetes' limit for a ConfigMap


def config_map(model: bytes) -> str:
    """The ConfigMap as YAML. `kubectl create configmap iris-model --from-file` makes the same."""
    text = base64.b64encode(model).decode()
    return (
        "apiVersion: v1\n"
        "kind: ConfigMap\n"
        "metadata:\n"
        "  name: iris-model\n"
        "binaryData:\n"
        f"  model.joblib: {text}\n"
    )


def main() -> None:
    model = train.BUILD / "model.joblib"
    if not model.exists():
        train.main()
    content = model.read_bytes()
    if len(content) > LIMIT_BYTES:
        raise SystemExit(f"{model} is larger than a ConfigMap may be (1 MiB): use a volume")
    out = train.BUILD / "iris.yaml"
    out.write_text(config_map(content) + "---\n" + (HERE / "service.yaml").read_text())
    print(f"{out}: apply it with kubectl apply -f")


if __name__ == "__main__":
    main()
