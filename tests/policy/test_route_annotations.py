"""Sticky, shadow and promote as their authors write them."""

from __future__ import annotations

import pytest

from tidegate.policy.route_annotations import (
    PROMOTE,
    SHADOW,
    STICKY,
    StickyBy,
    promotion_of,
    shadow_of,
    sticky_of,
    validate_route_annotations,
)
from tidegate.scaling.judged_rollout import PromoteSpec


def test_what_can_be_said_is_read():
    assert sticky_of({STICKY: "header=X-User"}) == StickyBy(header="X-User")
    assert sticky_of({STICKY: "header=X-User, cookie=who"}) == StickyBy("X-User", "who")
    assert shadow_of({SHADOW: "a-00002=10%, a-00003=5"}) == (("a-00002", 10), ("a-00003", 5))
    assert promotion_of({PROMOTE: "true"}) == PromoteSpec()
    assert promotion_of({PROMOTE: "steps=1,10%; requests=50; step=1m; limit=1h; latency=25%"}) == (
        PromoteSpec((1, 10), 50, 60.0, 3600.0, 0.25)
    )


def test_nothing_said_is_nothing_asked_for():
    assert (sticky_of({}), shadow_of({}), promotion_of({})) == (None, (), None)
    assert promotion_of({PROMOTE: "false"}) is None
    assert validate_route_annotations({}) == []


@pytest.mark.parametrize(
    ("key", "text", "details"),
    [
        pytest.param(
            STICKY,
            "X-User",
            "'X-User' is not NAME=VALUE: say header=NAME or cookie=NAME",
            id="no key",
        ),
        pytest.param(STICKY, "ip=1", "'ip' is none of header, cookie", id="another key"),
        pytest.param(
            STICKY, "header=a b", "'a b' is no name of a header or cookie", id="no header name"
        ),
        pytest.param(STICKY, "", "say header=NAME or cookie=NAME", id="empty"),
        pytest.param(SHADOW, "a=200%", "200% is not from 0% to 100%", id="over all"),
        pytest.param(SHADOW, "a=1,a=2", "'a' is there twice", id="twice"),
        pytest.param(PROMOTE, "steps=50,5", "steps is (50, 5): must rise", id="steps that fall"),
        pytest.param(
            PROMOTE,
            "yes",
            "'yes' is not NAME=VALUE: say \"true\" or steps=5,25,50; ...",
            id="a word",
        ),
        pytest.param(
            PROMOTE, "step=5", 'time: missing unit in duration "5"', id="seconds without unit"
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_out(key, text, details):
    (error,) = validate_route_annotations({key: text})
    assert error.message == f"invalid value: {text}"
    assert error.paths == (key,)
    assert error.details == details
