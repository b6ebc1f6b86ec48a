"""KafkaSource and KEDA's TriggerAuthentication against the CRDs that are published, where those are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.model.columns import columns_of
from tidegate.model.kafka import KafkaSource
from tidegate.model.keda import TriggerAuthentication
from tidegate.model.kinds import BY_TYPE

CRDS = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared") / "crds"
pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="the CRDs are not on this machine")


def crd(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CRDS / path).read_text())["spec"]
    return loaded


SOURCE = "knative-kafka/100-kafka-source.yaml"
TRIGGER = "keda/keda.sh_triggerauthentications.yaml"


@pytest.mark.parametrize(
    ("type_", "path"), [(KafkaSource, SOURCE), (TriggerAuthentication, TRIGGER)]
)
def test_names_subresources_and_columns(type_, path):
    kind, described = BY_TYPE[type_], crd(path)
    names, version = described["names"], described["versions"][0]
    assert (kind.kind, kind.plural) == (names["kind"], names["plural"])
    assert kind.short_names == tuple(names.get("shortNames", ()))
    assert kind.categories == tuple(names.get("categories", ()))
    assert kind.has_scale == ("scale" in version["subresources"])
    wanted = [(c["name"], c.get("priority", 0)) for c in version["additionalPrinterColumns"]]
    assert [(c.name, c.priority) for c in columns_of(kind)][1:] == wanted
