"""KafkaSource and KEDA's TriggerAuthentication against the CRDs that are published, where those are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tidegate.model.columns import columns_of
from tidegate.model.kafka import KafkaSource
from tidegate.model.keda import TriggerAuthentication
from tidegate.model.kinds import BY_GVK, BY_TYPE

CRDS = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared") / "crds"
pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="the CRDs are not on this machine")


def crd(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CRDS / path).read_text())["spec"]
    return loaded


SOURCE = "knative-kafka/100-kafka-source.yaml"
LEGACY = "knative-kafka/legacy-v1alpha1-kafkasource.string-typed.yaml"
TRIGGER = "keda/keda.sh_triggerauthentications.yaml"


def unknown(schema: dict[str, Any], info: Any, path: str = "") -> list[str]:
    """Paths of the schema that the struct doesn't have."""
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.UnionType):
        inner = [t for t in info.types if not isinstance(t, msgspec.inspect.NoneType)]
        kinds = (msgspec.inspect.StructType, msgspec.inspect.CollectionType)
        info = next((t for t in inner if isinstance(t, kinds)), inner[0])
    if isinstance(info, msgspec.inspect.CollectionType):
        return unknown(schema.get("items", {}), info.item_type, f"{path}[]")
    if not isinstance(info, msgspec.inspect.StructType):
        return []
    fields = {field.encode_name: field.type for field in info.fields}
    found = []
    for name, part in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        found += unknown(part, fields[name], where) if name in fields else [where]
    return found


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_every_field_of_a_source_is_known(version):
    (described,) = [v for v in crd(SOURCE)["versions"] if v["name"] == version]
    schema = described["schema"]["openAPIV3Schema"]
    del schema["properties"]["metadata"], schema["properties"]["kind"]
    del schema["properties"]["apiVersion"]
    kind = BY_GVK[f"sources.knative.dev/{version}", "KafkaSource"]
    assert unknown(schema, msgspec.inspect.type_info(kind.wire_type)) == []


def test_every_field_of_the_oldest_source_is_known():
    schema = crd(LEGACY)["validation"]["openAPIV3Schema"]["properties"]["spec"]
    kind = BY_GVK["sources.knative.dev/v1alpha1", "KafkaSource"]
    (spec,) = [f.type for f in msgspec.structs.fields(kind.wire_type) if f.name == "spec"]
    assert unknown(schema, msgspec.inspect.type_info(spec)) == []


def test_every_field_of_a_trigger_authentication_is_known():
    (version,) = crd(TRIGGER)["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    (spec,) = [f.type for f in msgspec.structs.fields(TriggerAuthentication) if f.name == "spec"]
    assert unknown(schema, msgspec.inspect.type_info(spec)) == []


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
