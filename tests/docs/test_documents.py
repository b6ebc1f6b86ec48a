"""Whole documents that our pages show are accepted without a warning."""

import re
from pathlib import Path

import pytest

from tidegate.cli.check import ACCEPTED, Checker
from tidegate.cli.documents import parse_documents

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("examples/*/*.md")]
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'?(YAML|EOF)'?\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def shown():
    """Each block with its page and line; parts of documents (no `kind`) are left out."""
    for page in PAGES:
        text = page.read_text()
        blocks = [(m.start(1), m.group(1)) for m in YAML.finditer(text)]
        blocks += [(m.start(2), m.group(2)) for m in HEREDOC.finditer(text)]
        for start, block in blocks:
            if re.search(r"^kind:", block, re.MULTILINE):
                line = text.count("\n", 0, start) + 1
                yield pytest.param(block, id=f"{page.relative_to(ROOT)}:{line}")


@pytest.mark.parametrize("text", list(shown()))
def test_a_document_that_is_shown_is_accepted(text):
    documents = list(parse_documents(text, "page.yaml"))
    checker = Checker(documents, None, None)
    findings = [checker.look_at(document) for document in documents]
    assert [found.lines for found in findings if found.verdict != ACCEPTED] == []
