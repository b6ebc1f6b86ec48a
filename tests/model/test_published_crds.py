"""The fields of kinds that others defined, against the CRDs that they publish, where those are at hand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import inspect

from tidegate.model.kinds import BY_GVK

CRDS = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared") / "crds"
pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="the CRDs are not on this machine")

#: Fields that no document of ours may carry, and why.
UNKNOWN: Mapping[str, str] = {
    r"\.(env\[\]\.valueFrom\.fileKeyRef|restartPolicyRules)": "Kubernetes after 1.32",
    r"\.projected\.sources\[\]\.podCertificate": "Kubernetes after 1.32",
    r"\.address\.CACerts": "a status that is written here without it",
    r"\.status\.(compositeScalerName|health|scaleTargetGVKR|triggersActivity)": "KEDA's own notes",
    r"\.status\.canaryStatuses": "of canaries, which are refused",
    r"Ingress .*": "Knative's ingress, which users don't write",
}


def described() -> Iterator[Any]:
    for path in sorted(CRDS.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            spec = document["spec"]
            for version in spec.get("versions") or [{"name": spec["version"]}]:
                gvk = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                schema = version.get("schema") or spec.get("validation")  # v1, v1beta1 of CRDs
                if gvk in BY_GVK and schema:
                    yield pytest.param(gvk, schema, id=" ".join((path.name, *gvk)))


def unwrapped(info: inspect.Type) -> inspect.Type:
    """What is inside annotations and optional fields; of several, the one with fields."""
    while isinstance(info, inspect.Metadata | inspect.UnionType):
        if isinstance(info, inspect.Metadata):
            info = info.type
            continue
        kinds = (inspect.StructType, inspect.CollectionType, inspect.Metadata)
        info = next((t for t in info.types if isinstance(t, kinds)), info.types[0])
    return info


def unknown(schema: Mapping[str, Any], info: inspect.Type, path: str) -> Iterator[str]:
    """Paths of the schema that the struct doesn't have."""
    info = unwrapped(info)
    if isinstance(info, inspect.CollectionType):
        yield from unknown(schema.get("items", {}), info.item_type, f"{path}[]")
    elif isinstance(info, inspect.DictType):
        values = schema.get("additionalProperties")
        yield from unknown(values if isinstance(values, dict) else {}, info.value_type, f"{path}.*")
    elif isinstance(info, inspect.StructType):
        fields = {field.encode_name: field.type for field in info.fields}
        for name, part in schema.get("properties", {}).items():
            if name in fields:
                yield from unknown(part, fields[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"


@pytest.mark.parametrize(("gvk", "schema"), list(described()))
def test_every_field_is_known(gvk, schema):
    whole = schema["openAPIV3Schema"]
    parts = {k: v for k, v in whole["properties"].items() if k in ("spec", "status")}
    found = unknown({"properties": parts}, inspect.type_info(BY_GVK[gvk].wire_type), gvk[1] + " ")
    excused = re.compile("|".join(UNKNOWN))
    assert [path for path in found if not excused.search(path)] == []
