"""The services of a chaos run and how they are asked."""

from __future__ import annotations

import json
from pathlib import Path

from tidegate.testing.chaos_clients import Habit
from tidegate.testing.engine import service_document

#: Simulated; each pod of the forked service and of the resting one has one.
CARDS = 6
_MODEL = Path(__file__).with_name("pod_model.py")
SCALING = {
    "steady": {"min-scale": "2", "max-scale": "3", "window": "6s"},
    "swing": {"max-scale": "3", "window": "6s", "target": "2"},
    "sleepy": {"max-scale": "1", "window": "6s"},
}
MORE_SCALING = {
    "forked": {"max-scale": "3", "window": "6s", "target": "1"},
    "rested": {"max-scale": "1", "window": "6s"},
}
#: Pods of each service once nobody asks: one that rests is there.
CALM = {"steady": 2, "swing": 0, "sleepy": 0, "forked": 0, "rested": 1}
HABITS = (
    Habit("steady", clients=4),
    Habit(
        "steady", clients=2, path="/sleep/2"
    ),  # longer than most things take that go on around it
    Habit("swing", clients=4, on_s=4, every_s=24, path="/sleep/0.05"),
    Habit("sleepy", clients=1, on_s=0.1, every_s=20),
)
MORE_HABITS = (
    Habit(
        "forked",
        clients=3,
        on_s=3,
        every_s=18,
        path="/v1/models/model:predict",
        body=b'{"instances": [1, "b"]}',
        answer=b'{"predictions":[1,"b"]}',
    ),
    Habit("rested", clients=1, on_s=0.1, every_s=17),
)
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config-autoscaler, namespace: knative-serving}
data: {scale-to-zero-grace-period: "6s"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-zygotes, namespace: tidegate-system}
data: {keep: 15s}
"""


def document_of(name: str, scaling: dict[str, str], *, version: int = 0) -> str:
    """One of the cast. Another version: another revision."""
    environ = {"VERSION": str(version)}
    match name:
        case "forked":
            command = ["python", "-m", "tidegate.runtimes.pythonserver", "--class", "Echo"]
            return _with_card(
                service_document(
                    name,
                    scaling=scaling,
                    image="tidegate/pythonserver",
                    command=[*command, "--module", str(_MODEL), "--http_port", "8080"],
                )
            )
        case "rested":
            at_rest = {"tidegate.dev/standby": "frozen"}
            return _with_card(service_document(name, scaling=scaling, annotations=at_rest))
        case _:
            return service_document(name, scaling=scaling, environ=environ)


def _with_card(text: str) -> str:
    document = json.loads(text)
    (container,) = document["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    return json.dumps(document)
