"""What images are on this machine, as the user says it."""

from __future__ import annotations

import pytest

from tidegate.policy.config_images import ImageEntry, parse_config_images
from tidegate.policy.errors import BadConfig

INTENT = """
image: ai-samples/bert-intent-detection:1.0*
command: [python, server.py]
folder: /srv/intent
env: {LANG: C}
replaces: [[/bin/serve]]
"""


def test_an_entry_says_image_command_folder_and_environment():
    assert parse_config_images({"intent": INTENT, "_example": "anything"}) == (
        ImageEntry(
            "ai-samples/bert-intent-detection",
            "1.0",
            ("python", "server.py"),
            "/srv/intent",
            (("LANG", "C"),),
            (("/bin/serve",),),
        ),
    )


def test_a_bare_name_is_one_of_the_public_library():
    (entry,) = parse_config_images({"x": "image: greeter\ncommand: [serve]"})
    assert entry.repository == "library/greeter"


def test_an_entry_may_only_say_what_the_images_own_folders_are():
    (entry,) = parse_config_images({"x": "image: a/b\npaths: {/models/: /srv/models}"})
    assert entry == ImageEntry("a/b", "", (), paths=(("/models", "/srv/models"),))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("image: [", "data[x]: not YAML", id="yaml"),
        pytest.param("just text", "data[x]: must be a mapping", id="text"),
        pytest.param("image: a\ncommand: run", "data[x].command: must be a list", id="command"),
        pytest.param("command: [a]", "data[x].image: must name an image", id="image"),
        pytest.param("image: a b\ncommand: [a]", "data[x].image: 'a b' is no", id="spaces"),
        pytest.param(
            "image: a\ncommand: [a]\nfolder: srv", "data[x].folder: must be a full", id="folder"
        ),
        pytest.param(
            "image: a\ncommand: [a]\nenv: {A: 1}", "data[x].env: must map", id="environment"
        ),
        pytest.param(
            "image: team/a*\ncommand: [a]", "data[x].image: 'team/a*': a `*` may only", id="star"
        ),
        pytest.param("image: a", "data[x]: says only which image", id="only an image"),
        pytest.param("image: a\npaths: [/m]", "data[x].paths: must map", id="paths"),
        pytest.param(
            "image: a\npaths: {m: /x}", "data[x].paths: 'm' must be a full", id="relative path"
        ),
        pytest.param(
            "image: a\nreplaces: [[a]]", "data[x].replaces: needs a `command`", id="no command"
        ),
        pytest.param("image: a\ncmd: [a]", "data[x].cmd: unknown field", id="unknown"),
    ],
)
def test_what_can_not_be_taken_over_is_named(text, why):
    with pytest.raises(BadConfig) as raised:
        parse_config_images({"x": text})
    assert str(raised.value).startswith(why)
