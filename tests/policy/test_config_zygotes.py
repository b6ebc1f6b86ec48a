"""ConfigMap config-zygotes."""

import pytest

from tidegate.policy.config_zygotes import ZygoteConfig, parse_config_zygotes, zygote_notes
from tidegate.policy.errors import BadConfig


def test_an_empty_map_means_the_defaults():
    assert parse_config_zygotes({"_example": "keep: 1m"}) == ZygoteConfig()


def test_all_of_it_can_be_said():
    data = {"enabled": "false", "keep": "90s", "most": "2"}
    assert parse_config_zygotes(data) == ZygoteConfig(enabled=False, keep_s=90.0, most=2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param({"keep": "soon"}, 'failed to parse "keep"', id="no duration"),
        pytest.param({"keep": "-1s"}, "keep must be non-negative", id="negative"),
        pytest.param({"most": "0"}, "most must be at least 1", id="none"),
        pytest.param({"max": "3"}, r"data\[max\]: no such key", id="unknown key"),
    ],
)
def test_what_can_not_be_read_is_refused_by_its_key(data, why):
    with pytest.raises(BadConfig, match=why):
        parse_config_zygotes(data)


def test_an_annotation_that_means_nothing_is_told():
    assert zygote_notes({"tidegate.dev/zygote": "never"}) == []
    (note,) = zygote_notes({"tidegate.dev/zygote": "sometimes"})
    assert note.startswith("tidegate.dev/zygote: 'sometimes' has no effect")
