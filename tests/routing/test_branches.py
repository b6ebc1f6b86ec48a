"""The first branch that fits has a request; its weights are exact; a rewrite changes only its part of the path."""

import pytest

from tidegate.routing import Asked, BadRule, Branch, Check, Split, Target, Way, fitting


def branch(*checks, weights=(("r", 1),), **more):
    return Branch(Split(weights), tuple(checks), **more)


def path(how, value, **more):
    return Check(fitting(how, value), **more)


def header(name, how, value="", **more):
    return Check(fitting(how, value), name.encode(), **more)


def target(*branches):
    return Target("vs", ("shop",), Split([("", 1)]), branches=branches)


def asked(target_=b"/", *fields, method=b"GET"):
    return Asked(method, target_, fields)


def goes(one, request):
    chosen = one.branch_for(request)
    return None if chosen is None else chosen.way.revision


def to(name):
    return ((name, 1),)


def test_the_first_branch_that_fits_has_the_request_and_none_has_what_fits_none():
    one = target(
        branch(path("exact", "/v2"), weights=to("exact")),
        branch(path("prefix", "/v2"), weights=to("prefix")),
        branch(path("regex", "/m/[0-9]+"), weights=to("regex")),
    )
    requests = [b"/v2", b"/v2?x=1", b"/v2x", b"/m/12", b"/m/12/x", b"/"]
    assert [goes(one, asked(each)) for each in requests] == [
        "exact",
        "exact",
        "prefix",
        "regex",
        None,
        None,
    ]


def test_all_checks_of_a_branch_must_hold():
    one = target(
        branch(path("prefix", "/"), header("user", "exact", "ann"), header("v", "present"))
    )
    assert goes(one, asked(b"/", b"User: ann", b"V: 1")) == "r"
    assert goes(one, asked(b"/", b"User: ann")) is None
    assert goes(one, asked(b"/", b"User: bob", b"V: 1")) is None


def test_a_negated_check_holds_without_the_header_too():
    one = target(branch(header("user", "prefix", "a", negated=True)))
    assert goes(one, asked(b"/")) == "r"
    assert goes(one, asked(b"/", b"User: bob")) == "r"
    assert goes(one, asked(b"/", b"User: ann")) is None


def test_the_method_is_compared_as_it_is_sent():
    one = target(branch(Check(fitting("exact", "POST"), of_method=True)))
    assert goes(one, asked(method=b"POST")) == "r"
    assert goes(one, asked(method=b"GET")) is None


def test_a_path_is_compared_by_what_it_means():
    one = target(branch(path("prefix", "/private"), weights=to("inside")), branch())
    assert goes(one, asked(b"/public/%2e%2e/private/x")) == "inside"


def test_ten_percent_of_ten_thousand_are_a_thousand():
    one = target(branch(weights=(("v1", 90), ("v2", 10))))
    seen = [goes(one, asked()) for _ in range(10_000)]
    assert (seen.count("v1"), seen.count("v2")) == (9000, 1000)


@pytest.mark.parametrize(
    ("cut", "put", "target_", "sent"),
    [
        pytest.param("/api", "/", b"/api/x?q=1", b"//x?q=1", id="as envoy puts it together"),
        pytest.param("/api/", "/", b"/api/x?q=1", b"/x?q=1", id="with the query"),
        pytest.param("/", "/v1/", b"/x", b"/v1/x", id="all paths"),
        pytest.param("/api", "/v1", b"/%61pi/a%20b", b"/v1/a%20b", id="spelled in another way"),
        pytest.param("/", "/", b"/x", None, id="nothing to change"),
        pytest.param("/", None, b"/x", None, id="no rewrite"),
    ],
)
def test_a_rewrite_changes_the_part_of_the_path_that_was_matched(cut, put, target_, sent):
    one = target(branch(path("prefix", cut), cut=cut, put=put))
    assert one.branch_for(asked(target_)).target == sent


def test_headers_of_a_way_are_added_to_its_requests_alone():
    ways = {"v2": Way("r2", b"x: 1\r\n")}
    one = target(branch(weights=to("v2"), ways=ways))
    assert one.branch_for(asked()).way == Way("r2", b"x: 1\r\n")


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(BadRule, match="is not a regular expression"):
        fitting("regex", "(")
