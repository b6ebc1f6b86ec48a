"""What nginx' annotations say, and what they say in vain."""

import pytest

from tidegate.policy.nginx import Canary, canary_of, nginx_notes, redirects_to_https

PREFIX = "nginx.ingress.kubernetes.io/"


def annotations(**values: str) -> dict[str, str]:
    """`canary_by_header` for `nginx.ingress.kubernetes.io/canary-by-header`."""
    return {PREFIX + key.replace("_", "-"): value for key, value in values.items()}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"canary": "false", "canary_weight": "10"}, None, id="not a canary"),
        pytest.param({"canary": "true", "canary_weight": "10"}, Canary(weight=10), id="weight"),
        pytest.param(
            {"canary": "true", "canary_weight": "5", "canary_weight_total": "1000"},
            Canary(weight=5, total=1000),
            id="weight of a total",
        ),
        pytest.param(
            {"canary": "true", "canary_weight": "500"},
            Canary(weight=100),
            id="never over the total",
        ),
        pytest.param(
            {"canary": "true", "canary_weight_total": "10"},
            Canary(total=100),
            id="100 is the least",
        ),
        pytest.param({"canary": "true", "canary_weight": "ten"}, Canary(), id="no number"),
        pytest.param(
            {"canary": "true", "canary_by_header": "X-V", "canary_by_header_value": "2"},
            Canary(header="X-V", value="2"),
            id="header value",
        ),
        pytest.param(
            {
                "canary": "true",
                "canary_by_header": "X-V",
                "canary_by_header_value": "2",
                "canary_by_header_pattern": "^3",
            },
            Canary(header="X-V", value="2"),
            id="a value makes the pattern void",
        ),
        pytest.param(
            {"canary": "true", "canary_by_header_pattern": "^3"}, Canary(), id="pattern of nothing"
        ),
        pytest.param(
            {"canary": "true", "canary_by_header": "X-V", "canary_by_header_pattern": "("},
            Canary(header="X-V"),
            id="no pattern",
        ),
        pytest.param(
            {"canary": "true", "canary_by_cookie": "beta"}, Canary(cookie="beta"), id="cookie"
        ),
    ],
)
def test_a_canary_is_what_its_annotations_say(said, meant):
    assert canary_of(annotations(**said)) == meant


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ({"canary": "yes"}, '"yes" is neither true nor false'),
        ({"canary_weight": "10"}, 'no effect without nginx.ingress.kubernetes.io/canary: "true"'),
        ({"canary": "true", "canary_weight": "-1"}, '"-1" is no whole number'),
        ({"canary": "true", "canary_weight_total": "10"}, "less than 100"),
        ({"canary": "true", "canary_by_header_value": "2"}, "canary-by-header"),
        (
            {"canary": "true", "canary_by_header": "a", "canary_by_header_pattern": "("},
            "is not a regular expression",
        ),
        ({"rewrite_target": "/"}, "not honoured on this machine"),
        ({"canary": "true", "rewrite_target": "/"}, "ignored on a canary"),
        ({"canary": "true", "canary_by_moon": "full"}, "not honoured on this machine"),
    ],
)
def test_what_has_no_effect_is_named(said, note):
    (told,) = nginx_notes(annotations(**said))
    assert note in told


def test_other_controllers_annotations_are_named_too_and_the_rest_is_nobodys_business():
    given = {"alb.ingress.kubernetes.io/order": "1", "example.com/team": "a"}
    (told,) = nginx_notes(given)
    assert told.startswith("[alb.ingress.kubernetes.io/order]: known to ingress controllers")


def test_what_is_the_case_anyway_needs_no_word():
    said = {"ssl_redirect": "false", "backend_protocol": "HTTP", "canary": "true"}
    assert list(nginx_notes(annotations(**said))) == []


@pytest.mark.parametrize(
    ("said", "has_tls", "redirects"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"ssl_redirect": "false"}, True, False),
        ({"ssl_redirect": "true"}, False, False),
        ({"force_ssl_redirect": "true"}, False, True),
        ({"force_ssl_redirect": "false"}, True, True),
    ],
)
def test_plain_http_is_sent_to_https_where_there_is_a_certificate_unless_told_otherwise(
    said, has_tls, redirects
):
    assert redirects_to_https(annotations(**said), has_tls=has_tls) is redirects
