"""Fluid's kinds against the CRDs that Fluid publishes, where those are at hand."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.model.columns import columns_of
from tidegate.model.kinds import KINDS, Kind

CRDS = Path(os.environ.get("TIDEGATE_SHARED") or Path(__file__).parents[3] / "shared") / (
    "crds/fluid"
)
FLUID = [
    kind
    for kind in KINDS
    if kind.group == "data.fluid.io" and (CRDS / f"data.fluid.io_{kind.plural}.yaml").exists()
]
pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="the CRDs are not on this machine")


@lru_cache
def crd(kind: Kind) -> dict[str, Any]:
    path = CRDS / f"data.fluid.io_{kind.plural}.yaml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())["spec"]
    return loaded


@pytest.mark.parametrize("kind", FLUID, ids=lambda kind: kind.kind)
def test_names_scope_and_subresources(kind):
    names, version = crd(kind)["names"], crd(kind)["versions"][0]
    assert (kind.kind, kind.plural, kind.singular) == tuple(
        names[n] for n in ("kind", "plural", "singular")
    )
    assert kind.short_names == tuple(names["shortNames"])
    assert kind.categories == tuple(names["categories"])
    assert kind.version == version["name"]
    assert {"status": kind.has_status, "scale": kind.has_scale} == {
        name: name in version["subresources"] for name in ("status", "scale")
    }


@pytest.mark.parametrize("kind", FLUID, ids=lambda kind: kind.kind)
def test_columns(kind):
    wanted = [
        (column["name"], column.get("priority", 0))
        for column in crd(kind)["versions"][0]["additionalPrinterColumns"]
    ]
    assert [(column.name, column.priority) for column in columns_of(kind)][1:] == wanted
