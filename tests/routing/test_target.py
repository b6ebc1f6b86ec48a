"""Rules first, then who sticks, then weights."""

from collections import Counter
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.routing import Split, Sticky, Target, Way, match_of
from tidegate.routing.sticky import stuck_to, value_for

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=5).filter(any)


def target(*weights: int, **more) -> Target:
    split = Split((f"r{i}", weight) for i, weight in enumerate(weights))
    return Target("default/hello", ("hello",), split, **more)


def no_id() -> str:
    raise AssertionError("no cookie is to be set")


def ids():
    numbers = count()
    return lambda: f"id{next(numbers)}-"


def revisions(target: Target, requests) -> list[str]:
    return [target.choose(fields, no_id).way.revision for fields in requests]


def test_the_first_rule_that_matches_wins_over_the_weights():
    always = match_of(header="x-canary", cookie=None, values=("always",))
    present = match_of(header="x-canary", cookie=None)
    one = target(0, 100, rules=((always, Way("canary")), (present, Way("never"))))
    asked = [[b"X-Canary: always"], [b"X-Canary: else"], [b"Y: 1"]]
    assert revisions(one, asked) == ["canary", "never", "r1"]


def test_requests_that_a_rule_decides_leave_the_weights_of_the_others_alone():
    rule = match_of(header="x", cookie=None)
    one = target(90, 10, rules=((rule, Way("r1")),))
    seen = Counter()
    for number in range(2000):
        fields = [b"X: 1"] if number % 2 else []
        if not fields:
            seen[one.choose(fields, no_id).way.revision] += 1
        else:
            one.choose(fields, no_id)
    assert seen == {"r0": 900, "r1": 100}


@settings(max_examples=30)
@given(WEIGHTS)
def test_two_thousand_callers_with_a_header_are_shared_out_by_weight(weights):
    one = target(*weights, sticky=Sticky(match_of(header="user", cookie=None)))
    seen = Counter(revisions(one, ([b"User: %d" % i] for i in range(2000))))
    for i, weight in enumerate(weights):
        assert abs(seen[f"r{i}"] - 2000 * weight / sum(weights)) < 130  # some 6 deviations


def test_the_same_caller_goes_to_the_same_split_each_time():
    one = target(50, 30, 20, sticky=Sticky(match_of(header="user", cookie=None)))
    for user in range(50):
        assert len(set(revisions(one, [[b"User: %d" % user]] * 5))) == 1


@given(st.integers(1, 99), st.integers(1, 99))
def test_when_a_share_grows_callers_only_move_to_it(before, after):
    small, large = sorted((before, after))
    users = [b"%d" % i for i in range(200)]
    was = [stuck_to({"old": 100 - small, "new": small}, user) for user in users]
    now = [stuck_to({"old": 100 - large, "new": large}, user) for user in users]
    assert all(a == b or b == "new" for a, b in zip(was, now, strict=True))


def test_without_the_cookie_the_weights_are_exact_and_the_cookie_set_leads_back():
    one = target(99, 1, sticky=Sticky(cookie=match_of(header=None, cookie="seen")))
    new_id = ids()
    seen = Counter()
    for _ in range(500):
        first = one.choose([], new_id)
        seen[first.way.revision] += 1
        again = one.choose([b"Cookie: x=1; " + first.set_cookie], no_id)
        assert (again.way, again.set_cookie) == (first.way, None)
    assert seen == {"r0": 495, "r1": 5}


def test_an_empty_cookie_is_replaced():
    one = target(1, sticky=Sticky(cookie=match_of(header=None, cookie="seen")))
    assert one.choose([b"Cookie: seen="], ids()).set_cookie.startswith(b"seen=id0-")


def test_a_value_is_found_for_a_very_small_share():
    weights = {"big": 999, "small": 1}
    assert stuck_to(weights, value_for(weights, "small", "x").encode()) == "small"


def test_the_ways_headers_come_with_the_choice():
    split = Split([("r0", 50), ("tagged", 50)])
    one = Target("k", ("h",), split, ways={"tagged": Way("r0", b"Knative-Serving-Tag: t\r\n")})
    assert [one.choose([], no_id).way.head for _ in range(2)] == [
        b"",
        b"Knative-Serving-Tag: t\r\n",
    ]


def test_a_tenth_of_the_requests_is_copied_and_goes_where_it_went_all_the_same():
    one = target(100, shadows=((Split([("copy", 10), ("", 90)]), "copy"),))
    chosen = [one.choose([], no_id) for _ in range(1000)]
    assert Counter(len(one.shadows) for one in chosen) == {0: 900, 1: 100}
    assert {one.way.revision for one in chosen} == {"r0"}


def test_only_a_route_with_nothing_to_decide_has_one_revision_for_all():
    assert target(100).only == "r0"
    assert target(50, 50).only is None
    assert target(100, redirect_https=True).only is None
    assert target(100, rules=((match_of(header="x", cookie=None), Way("r1")),)).only is None
