"""The intent example: its image table suits its document, its classifier was really trained."""

import importlib.util
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tidegate.node.images import split_image
from tidegate.policy.config_images import parse_config_images

pytestmark = pytest.mark.slow  # imports scikit-learn
EXAMPLE = Path(__file__).parents[2] / "examples" / "intent"


def loaded(name):
    """A module of the example, which is no package."""
    pytest.importorskip("sklearn")
    sys.path.insert(0, str(EXAMPLE))
    try:
        spec = importlib.util.spec_from_file_location(f"intent_{name}", EXAMPLE / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLE))
        sys.modules.pop("train", None)
    return module


def test_the_image_tables_entry_suits_the_document():
    config = YAML(typ="safe").load(loaded("prepare").config_map("ai-samples/intent-detection"))
    (entry,) = parse_config_images(config["data"])
    service = YAML(typ="safe").load((EXAMPLE / "service.yaml").read_text())
    (container,) = service["spec"]["template"]["spec"]["containers"]
    assert split_image(container["image"])[0].endswith(entry.repository)
    assert (Path(entry.folder) / entry.command[1]).is_file()


def test_the_classifier_learns_what_the_sentences_say():
    train = loaded("train")
    texts, intents = train.read_sentences()
    model = train.build_model().fit(texts, intents)
    assert list(model.predict(["music", "is it raining", "wake me at nine"])) == [
        "PlayMusic",
        "GetWeather",
        "SetAlarm",
    ]
