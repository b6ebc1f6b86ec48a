"""The kinds of serving jobs, and how Arena spells each in labels, tables and messages."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.cli.errors import Usage


@dataclass(frozen=True, slots=True)
class ServeType:
    """`label` is the value of servingType, `word` the one in messages, `shown` the one in tables.
    `kind` is what a job is stored as."""

    name: str
    label: str
    shown: str
    aliases: tuple[str, ...]
    kind: str = "Deployment"
    chart: str = ""

    @property
    def word(self) -> str:
        return self.label


TYPES: tuple[ServeType, ...] = (
    ServeType(
        "tensorflow",
        "tf-serving",
        "Tensorflow",
        ("tf", "tensorflow", "tf-serving", "tensorflow-serving"),
        chart="tensorflow-serving",
    ),
    ServeType(
        "triton",
        "triton-serving",
        "Triton",
        ("triton", "triton-serving"),
        chart="tritoninferenceserver",
    ),
    ServeType(
        "custom", "custom-serving", "Custom", ("custom", "custom-serving"), chart="custom-serving"
    ),
    ServeType("kserve", "kserve", "KServe", ("kserve",), kind="InferenceService", chart="kserve"),
)
#: Arena's other types, and why they are not served.
REFUSED: dict[str, str] = {
    "kfserving": "KFServing became KServe: use `arena serve kserve`",
    "kfs": "KFServing became KServe: use `arena serve kserve`",
    "kf": "KFServing became KServe: use `arena serve kserve`",
    "seldon": "SeldonDeployments are not served here: use `arena serve custom` with its image",
    "tensorrt": "the TensorRT inference server is Triton today: use `arena serve triton`",
    "trt": "the TensorRT inference server is Triton today: use `arena serve triton`",
    "distributed": "one model over several machines is not served here: use a cluster",
}


def type_named(text: str) -> ServeType:
    """The type of a subcommand or of `--type`, in any case. Raises `Usage`."""
    low = text.lower()
    for type_ in TYPES:
        if low == type_.name or low in type_.aliases:
            return type_
    why = REFUSED.get(low) or f"known are {', '.join(t.name for t in TYPES)}"
    raise Usage(f"serving type {text!r}: {why}")


def type_labelled(label: str) -> ServeType | None:
    return next((t for t in TYPES if t.label == label), None)
