"""docs/arena.md names every flag, spelling and command of Arena's command line here, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidegate.cli.arena import main as program
from tidegate.cli.arena.options import ALL, FLAGS, REFUSED
from tidegate.cli.arena.types import REFUSED as REFUSED_TYPES
from tidegate.cli.arena.types import TYPES

PAGE = (Path(__file__).parents[2] / "docs/arena.md").read_text()
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
TOKENS = set(re.findall(r"`([^`]+)`", PROSE))
SECTION = PAGE.partition("## Flags")[2].partition("## Several versions")[0]
PROBE = re.compile(r"--(liveness|readiness|startup)-probe-")
ROWS = re.findall(r"^\| (.*?) \| (.*) \|$", SECTION, re.MULTILINE)
MANAGING = ("list", "get", "logs", "delete")


def rows_of(flag: str) -> list[tuple[str, str]]:
    """The rows of what is submitted whose first cell names the flag."""
    name = PROBE.sub("--{liveness,readiness,startup}-probe-*", flag).partition("*")
    wanted = name[0] + name[1]
    managing = (*MANAGING, "submitting", "global")
    return [(c, here) for c, here in ROWS if f"`{wanted}`" in c and not c.startswith(managing)]


def types_of(cell: str) -> tuple[str, ...]:
    """`triton, custom: ...` is about those two, a cell without a type about all."""
    said = tuple(cell.partition(": `")[0].split(", "))
    return said if {*said} <= {*ALL} else ALL


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.field)
def test_each_flag_has_a_row_and_each_other_spelling_is_named(flag):
    assert rows_of(flag.names[0])
    assert {*flag.also} <= TOKENS


@pytest.mark.parametrize("flag", sorted(REFUSED))
def test_a_refused_flag_is_in_a_row_that_says_so(flag):
    assert [here for _, here in rows_of(flag) if here.startswith("refused")]


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.field)
def test_the_rows_say_which_types_have_the_flag(flag):
    said = {type_ for cell, _ in rows_of(flag.names[0]) for type_ in types_of(cell)}
    assert said == {*flag.of}


@pytest.mark.parametrize("command", MANAGING)
def test_each_option_of_the_commands_that_manage_jobs_is_named(command, capsys):
    cells = [cell for cell, _ in ROWS if command in re.split(r"[,:;] ?| and ", cell)]
    options = options_of(command, capsys)
    assert options
    assert {option for option in options if f"`{option}`" not in " ".join(cells)} == set()


def test_every_subcommand_and_alias_is_named():
    words = {*program._ALIASES, *REFUSED_TYPES, *(t.name for t in TYPES)}
    named = {word for token in TOKENS for word in token.split()}
    assert words - named == set()


def test_the_page_names_no_flag_that_nothing_knows(capsys):
    known = {name for flag in FLAGS for name in flag.names} | {*REFUSED}
    known |= {*program._WITH_VALUE, *program._WITHOUT, *program._REFUSED}
    known |= {"--dry-run", "--version-weight"}
    for command in MANAGING:
        known |= options_of(command, capsys)
    flags = {token.partition("=")[0] for token in TOKENS if re.match(r"--?[a-zA-Z]", token)}
    words = {flag.partition(" ")[0] for flag in flags}
    assert words - known == set()


def options_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The options that its help shows; that needs no engine."""
    with pytest.raises(SystemExit):
        program.arena(["serve", command, "--help"])
    said = capsys.readouterr().out
    return {*re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", said)} - {"-h", "--help"}
