"""Commands that our pages name exist, with the options they are shown with."""

import re
import shlex
from pathlib import Path

import pytest

from tidegate.cli.arena.parse import parse_submission
from tidegate.cli.arena.types import TYPES, type_named
from tidegate.cli.catalog import COMMANDS
from tidegate.cli.load import two_dashes
from tidegate.cli.main import app_with

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "examples/*/*.md", "src/**/*.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown_lines():
    for page in PAGES:
        text = (ROOT / page).read_text()
        for block in BLOCK.findall(text):
            for line in block.replace("\\\n", " ").splitlines():
                yield page, line.removeprefix("$ ")


def shown(program):
    """Each use of a program in a code block: page and its words."""
    uses = re.compile(rf"(?:^|[|;(&]\s*){program}\s+([^|;)]*)")
    for page, line in shown_lines():
        for found in uses.findall(line):
            words = shlex.split(found, comments=True)
            yield pytest.param(
                words[: words.index("&")] if "&" in words else words, id=f"{page}: {found.strip()}"
            )


@pytest.mark.parametrize("words", list(shown("tidegate")))
def test_a_command_line_that_is_shown_can_be_read(words):
    name, *rest = words
    tokens = two_dashes(rest) if name == "load" else rest
    command, _, unknown, *_ = app_with([COMMANDS[name]]).parse_known_args([name, *tokens])
    assert unknown == []
    assert command.__name__.rstrip("_") in (name, *rest[:1])  # of itself, or of its subcommand


@pytest.mark.parametrize("words", list(shown("make")))
def test_a_make_target_that_is_shown_exists(words):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[0] in targets


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def anchors_of(path):
    """The anchors that a page's headings have on the web."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_links_into_a_page_lead_to_a_heading(page):
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text())
    there = ((name, anchor, path.parent / name if name else path) for name, anchor in links)
    assert [f"{n}#{a}" for n, a, target in there if a not in anchors_of(target)] == []


@pytest.mark.parametrize("words", [*shown("arena"), *shown("tidegate arena")])
def test_a_submission_that_is_shown_can_be_read(words):
    serve, command, *rest = words
    assert serve == "serve"
    if command in [type_.name for type_ in TYPES]:
        options, _ = parse_submission(type_named(command), "arena", rest)
        assert options.name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example_and_is_in_the_page(name, capsys):
    app_with([COMMANDS[name]])([name, "--help"])
    said = capsys.readouterr().out
    assert "Usage: tidegate " + name in said
    assert "Example: " in said
    assert f"tidegate {name}" in (ROOT / "docs/cli.md").read_text()
