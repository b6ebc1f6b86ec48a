"""A rule looks at one header or cookie of a request."""

import pytest

from tidegate.routing import BadRule, match_of

BROWSER = [
    b"User-Agent: test",
    b"X-Canary:  always ",
    b"Cookie: a=1; canary=never; flag=; b=2=3",
    b"cookie: late=yes",
]


@pytest.mark.parametrize(
    ("rule", "meant"),
    [
        pytest.param({"header": "x-canary", "values": ("always",)}, True, id="header, any case"),
        pytest.param({"header": "X-Canary", "values": ("Always",)}, False, id="values have case"),
        pytest.param({"header": "X-Canary"}, True, id="present"),
        pytest.param({"header": "X-Canar"}, False, id="not half a name"),
        pytest.param({"header": "X-Missing"}, False, id="absent"),
        pytest.param({"header": "X-Canary", "pattern": "al.*"}, True, id="pattern"),
        pytest.param({"header": "X-Canary", "pattern": "wa"}, True, id="anywhere in the value"),
        pytest.param({"header": "X-Canary", "pattern": "^wa"}, False, id="where it says"),
        pytest.param({"header": "X-Canary", "pattern": "(?i)^ALW"}, True, id="with flags"),
        pytest.param(
            {"header": "X-Canary", "values": ("no",), "pattern": "al.*"}, True, id="either of both"
        ),
        pytest.param({"cookie": "canary", "values": ("never",)}, True, id="cookie"),
        pytest.param({"cookie": "Canary", "values": ("never",)}, False, id="cookies have case"),
        pytest.param({"cookie": "b", "values": ("2=3",)}, True, id="cookie with equals sign"),
        pytest.param({"cookie": "flag"}, True, id="empty cookie is one"),
        pytest.param({"cookie": "late", "values": ("yes",)}, True, id="second cookie line"),
    ],
)
def test_a_rule_means_requests_by_the_value_of_what_it_looks_at(rule, meant):
    assert match_of(**{"header": None, "cookie": None, **rule})(BROWSER) is meant


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        pytest.param({"header": None, "cookie": None}, "exactly one", id="neither"),
        pytest.param({"header": "a", "cookie": "b"}, "exactly one", id="both"),
        pytest.param(
            {"header": "a", "cookie": None, "pattern": "("}, "not a regular", id="pattern"
        ),
    ],
)
def test_a_rule_that_looks_at_nothing_is_refused(rule, why):
    with pytest.raises(BadRule, match=why):
        match_of(**rule)


def test_a_value_too_long_for_a_pattern_does_not_match_it():
    rule = match_of(header="a", cookie=None, pattern="x*")
    assert rule([b"a: " + b"x" * 4096])
    assert not rule([b"a: " + b"x" * 4097])
