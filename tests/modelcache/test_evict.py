"""Which snapshots go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.modelcache.evict import Candidate, make_room

SIZES = {name: (index + 1) * 10 for index, name in enumerate("abcdefgh")}


def snapshot(
    name: str, blobs: str, *, used: int = 0, priority: int = 0, kept: bool = False
) -> Candidate:
    return Candidate(name, frozenset(blobs), priority, used, kept)


def test_the_least_recently_used_goes_first_within_its_priority() -> None:
    room = make_room(
        [
            snapshot("old-dear", "a", used=1, priority=1),
            snapshot("new", "b", used=3),
            snapshot("old", "c", used=2),
        ],
        SIZES,
        quota_bytes=60,
        high=1,
        low=1,
        need_bytes=30,
    )
    assert (room.evict, room.enough) == (("old",), True)


def test_above_the_high_mark_eviction_goes_on_to_the_low_one() -> None:
    some = [snapshot(str(n), "abcdefgh"[n], used=n) for n in range(4)]  # 10 + 20 + 30 + 40
    calm = make_room(some, SIZES, quota_bytes=100, high=1.0, low=0.5)
    full = make_room(some, SIZES, quota_bytes=100, high=0.9, low=0.5)
    assert calm.evict == ()
    assert full.evict == ("0", "1", "2")
    assert full.after_bytes == 40


def test_what_two_share_frees_nothing_until_the_second_goes() -> None:
    room = make_room(
        [
            snapshot("one", "ah", used=1),
            snapshot("two", "h", used=2),
            snapshot("three", "b", used=3),
        ],
        SIZES,
        quota_bytes=110,
        high=1,
        low=1,
        need_bytes=80,
    )
    assert room.evict == ("one", "two")


def test_nothing_goes_for_what_would_not_fit_anyway() -> None:
    room = make_room(
        [snapshot("held", "h", kept=True), snapshot("free", "a")],
        SIZES,
        quota_bytes=90,
        high=1,
        low=1,
        need_bytes=50,
    )
    assert (room.enough, room.evict, room.kept_bytes) == (False, (), 80)


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.uuids().map(str),
        blobs=st.frozensets(st.sampled_from("abcdefgh"), min_size=1),
        priority=st.integers(0, 2),
        used_seq=st.integers(0, 50),
        kept=st.booleans(),
    ),
    max_size=8,
)


@given(CANDIDATES, st.integers(1, 500), st.integers(0, 300), st.integers(0, 50), st.data())
def test_eviction_keeps_what_is_kept_counts_right_and_ignores_the_order_it_is_told(
    candidates: list[Candidate], quota: int, need: int, other: int, data: st.DataObject
) -> None:
    low = data.draw(st.floats(0.1, 1))
    high = data.draw(st.floats(low, 1))
    shuffled = data.draw(st.permutations(candidates))

    room = make_room(
        candidates, SIZES, quota_bytes=quota, high=high, low=low, need_bytes=need, other_bytes=other
    )

    again = make_room(
        shuffled, SIZES, quota_bytes=quota, high=high, low=low, need_bytes=need, other_bytes=other
    )
    assert again == room
    by_id = {one.id: one for one in candidates}
    assert not any(by_id[gone].kept for gone in room.evict)
    left = {blob for one in candidates if one.id not in room.evict for blob in one.blobs}
    if room.enough:
        assert room.after_bytes == other + sum(SIZES[blob] for blob in left)
        if need:
            assert room.after_bytes + need <= quota
    else:
        kept = {blob for one in candidates if one.kept for blob in one.blobs}
        assert other + sum(SIZES[blob] for blob in kept) + need > quota
        assert room.evict == ()
    order = [(by_id[gone].priority, by_id[gone].used_seq) for gone in room.evict]
    assert order == sorted(order)
