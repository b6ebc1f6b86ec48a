"""Arena's global flags, wherever they stand."""

from __future__ import annotations

import pytest

from tidegate.cli.arena.main import arena
from tidegate.cli.errors import Usage


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert arena([*words, "--dry-run"]) == 0
    return capsys.readouterr().out


KSERVE = ("kserve", "--name=x", "--image=i")


@pytest.mark.parametrize(
    "words",
    [
        ("-n", "prod", "serve", *KSERVE),
        ("--namespace=prod", "serve", *KSERVE),
        ("serve", "-n", "prod", *KSERVE),
        ("serve", *KSERVE, "-n", "prod"),
        ("-n", "test", "serve", *KSERVE, "-n", "prod"),
        ("--loglevel", "debug", "serve", *KSERVE, "--pprof", "-n=prod"),
    ],
)
def test_a_namespace_may_stand_before_the_command_and_its_own_goes_first(words, capsys):
    assert "namespace: prod" in printed(capsys, *words)


def test_what_follows_two_dashes_is_the_command_s():
    with pytest.raises(Usage, match="can not be empty"):
        arena(["serve", "kserve", "--name=x", "--", "-n", "prod"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--helm-binary", "serve", "list"), "--helm-binary: no chart is run here"),
        (("--loglevel=loud", "serve", "list"), "debug, info, warn, error"),
        (("submit", "tf"), "only `arena serve` is known here"),
        (("serve", "sell"), "arena serve sell: not known"),
        (("-n",), "-n: needs a value"),
    ],
)
def test_what_is_not_known_or_not_done_is_refused(words, says):
    with pytest.raises(Usage, match=says):
        arena(words)


def test_help_lists_the_flags_in_columns_without_old_spellings(capsys):
    with pytest.raises(SystemExit):
        arena(["serve", "kserve", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Usage: arena serve kserve [FLAGS] [COMMAND...]"
    assert "  -n, --namespace TEXT            where it goes (default)" in lines
    assert "      --min-replicas N            fewest pods (1)" in lines
    assert not any("--servingName" in line for line in lines)


def test_help_of_an_update_lists_what_it_can_change(capsys):
    with pytest.raises(SystemExit):
        arena(["serve", "update", "kserve", "--help"])
    shown = capsys.readouterr().out
    assert "--min-replicas N" in shown
    assert "--share-memory" not in shown
