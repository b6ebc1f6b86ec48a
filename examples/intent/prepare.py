"""Writes build/intent.yaml: what the image is on this machine (a ConfigMap), and the Service beside it.

python examples/intent/prepare.py [IMAGE]     (trains the model first if there is none)

IMAGE is the end of the image's name in your document, ai-samples/intent-detection if not said.
"""

from __future__ import annotations

import sys
from pathlib import Path

import train

HERE = Path(__file__).parent.resolve()


def config_map(image: str) -> str:
    """An entry of the image table: `python` is the interpreter of the engine."""
    return (
        "apiVersion: v1\n"
        "kind: ConfigMap\n"
        "metadata:\n"
        "  name: config-images\n"
        "  namespace: tidegate-system\n"
        "data:\n"
        "  intent: |\n"
        f"    image: {image}\n"
        "    command: [python, server.py]\n"
        f"    folder: {HERE}\n"
    )


def main() -> None:
    image = sys.argv[1] if len(sys.argv) > 1 else "ai-samples/intent-detection"
    if not (train.BUILD / "intent.joblib").exists():
        train.main()
    out = train.BUILD / "intent.yaml"
    out.write_text(config_map(image) + "---\n" + (HERE / "service.yaml").read_text())
    print(f"{out}: apply it with kubectl apply -f")


if __name__ == "__main__":
    main()
