"""The page on the Kubernetes API says what the code says."""

import importlib.util
from pathlib import Path

import pytest

from tidegate.model.kinds import KINDS

AGAIN = ".venv/bin/python tests/docs/kubernetes_api.py"
_spec = importlib.util.spec_from_file_location(
    "kubernetes_api", Path(__file__).with_name("kubernetes_api.py")
)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)


@pytest.mark.parametrize("name", sorted(tables.TABLES))
def test_the_page_holds_the_tables_of_the_code(name):
    missing = [line for line in tables.TABLES[name]() if line not in tables.PAGE.read_text()]
    assert missing == [], f"write the page anew: {AGAIN}"


def test_the_page_holds_nothing_else_between_its_markers():
    page = tables.PAGE.read_text()
    assert tables.page_with_tables(page) == page, f"write the page anew: {AGAIN}"


def test_every_kind_is_in_the_page():
    page = tables.PAGE.read_text()
    assert [k for k in KINDS if f"| {k.kind} `{k.api_version}`" not in page] == []


def test_a_page_without_a_marker_is_told():
    with pytest.raises(ValueError, match="has no <!-- kinds -->"):
        tables.page_with_tables("")
