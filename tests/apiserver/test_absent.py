"""What isn't here says so, and nothing that is here is said to be absent."""

from __future__ import annotations

import pytest

from tidegate.apiserver.absent import ABSENT
from tidegate.apiserver.targets import target_of
from tidegate.model.errors import UnknownPath
from tidegate.model.kinds import SERVED


def test_no_kind_that_is_served_is_called_absent():
    assert ABSENT.keys().isdisjoint((kind.group, kind.plural) for kind in SERVED)


@pytest.mark.parametrize("place", ABSENT, ids="/".join)
def test_an_absent_kind_is_answered_with_the_way_out(place):
    group, plural = place
    with pytest.raises(UnknownPath) as refused:
        target_of(f"/apis/{group}/v1/namespaces/default/{plural}")
    assert refused.value.message.endswith(ABSENT[place])


def test_what_nobody_knows_is_not_found_in_kubernetes_words():
    with pytest.raises(UnknownPath, match=r"^the server could not find the requested resource$"):
        target_of("/apis/example.org/v1/namespaces/default/things")
