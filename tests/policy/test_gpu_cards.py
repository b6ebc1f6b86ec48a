"""Cards are shared as asked for and never given twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.gpu_cards import (
    CORES,
    COUNT,
    MEMORY,
    WHOLE,
    Card,
    Holding,
    capacity_of,
    card_note,
    cards_of_note,
    choose_cards,
    environment_of,
    simulated_cards,
)


def asks(**amounts: int) -> dict[str, Decimal]:
    names = {"whole": WHOLE, "mem": MEMORY, "count": COUNT, "cores": CORES}
    return {names.get(name, name): Decimal(n) for name, n in amounts.items()}


def placed(
    cards: tuple[Card, ...], wanted: list[dict[str, Decimal]]
) -> list[tuple[int, ...] | None]:
    """The cards that each pod gets, one after the other."""
    held: list[Holding] = []
    given_: list[tuple[int, ...] | None] = []
    for asked in wanted:
        found, _ = choose_cards(cards, held, asked)
        given_.append(found)
        if found is not None:
            held.append(Holding(asked, found))
    return given_


FOUR = simulated_cards("4x15GiB")


def test_a_shared_card_is_filled_before_the_next_one():
    assert placed(FOUR, [asks(mem=3)] * 6) == [(0,)] * 5 + [(1,)]


def test_whole_cards_are_nobody_elses():
    got = placed(FOUR, [asks(mem=3), asks(whole=2), asks(whole=2), asks(mem=13)])
    assert got == [(0,), (1, 2), None, (3,)]


def test_memory_may_be_spread_over_several_cards():
    assert placed(FOUR, [asks(mem=16, count=2), asks(mem=8)]) == [(0, 1), (2,)]


def test_cores_of_a_shared_card_are_counted_beside_its_memory():
    assert placed(FOUR, [asks(mem=3, cores=60)] * 5) == [(0,), (1,), (2,), (3,), None]
    assert placed(FOUR, [asks(mem=3, cores=60), asks(mem=3, cores=40), asks(mem=3)]) == [(0,)] * 3
    assert placed(FOUR, [asks(mem=4, count=2, cores=200), asks(mem=1, cores=5)]) == [(0, 1), (2,)]
    full = [Holding(asks(mem=3, cores=100), (i,)) for i in range(4)]
    assert choose_cards(FOUR, full, asks(mem=3, cores=5)) == (None, CORES)
    assert choose_cards(FOUR, full, asks(mem=13, cores=5)) == (None, MEMORY)
    assert choose_cards(FOUR, [], asks(cores=5)) == (None, CORES)


def test_what_fits_no_single_card_names_the_resource():
    assert choose_cards(FOUR, [], asks(mem=16)) == (None, MEMORY)
    assert choose_cards(FOUR, [], asks(whole=5)) == (None, WHOLE)


def test_slices_of_a_card_that_is_cut():
    card = simulated_cards("1x40GiB")
    half = {"nvidia.com/mig-3g.20gb": Decimal(1)}
    third = {"nvidia.com/mig-2g.10gb": Decimal(1)}
    assert placed(card, [half, half, third]) == [(0,), (0,), None]
    assert placed(card, [third, third, third, third]) == [(0,), (0,), (0,), None]
    assert placed(card, [third, asks(whole=1), asks(mem=1)]) == [(0,), None, None]


def test_a_slice_that_no_card_has_is_refused():
    nothing = {"nvidia.com/mig-7g.20gb": Decimal(1)}
    assert choose_cards(simulated_cards("1x40GiB"), [], nothing)[0] is None


def test_a_node_offers_what_its_cards_have():
    assert capacity_of(FOUR) == {WHOLE: "4", MEMORY: "60", COUNT: "4", CORES: "400"}
    cut = capacity_of(simulated_cards("2x80GiB"))
    assert cut["nvidia.com/mig-1g.10gb"] == "14"
    assert cut["nvidia.com/mig-3g.40gb"] == "4"
    assert capacity_of(()) == {}


def test_containers_learn_of_their_cards():
    env = environment_of(FOUR, (1,), asks(mem=3))
    assert env == {
        "NVIDIA_VISIBLE_DEVICES": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "ALIYUN_COM_GPU_MEM_CONTAINER": "3",
        "ALIYUN_COM_GPU_MEM_DEV": "15",
        "ALIYUN_COM_GPU_MEM_IDX": "1",
    }
    real = (Card(0, 24, "L4", "GPU-1"), Card(1, 24, "L4", "GPU-2"))
    assert environment_of(real, (1,), asks(whole=1))["CUDA_VISIBLE_DEVICES"] == "GPU-2"
    assert environment_of(real, (), {})["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert environment_of((), (), {}) == {}


def test_a_note_says_what_the_cards_are():
    assert cards_of_note(card_note(FOUR)) == FOUR
    assert cards_of_note("no json") == ()


@pytest.mark.parametrize("text", ["", "many", "-1", "65", "2x", "1x0GiB", "1x16MiB"])
def test_a_wish_that_can_not_be_read_says_how_to_write_it(text):
    with pytest.raises(ValueError, match=r"4x15GiB"):
        simulated_cards(text)


@given(st.lists(st.tuples(st.sampled_from(["whole", "mem"]), st.integers(1, 16)), max_size=20))
def test_no_card_is_ever_oversubscribed(wishes):
    held: list[Holding] = []
    for kind, amount in wishes:
        asked = asks(**{kind: min(amount, 4) if kind == "whole" else amount})
        found, lacking = choose_cards(FOUR, held, asked)
        assert (found is None) == bool(lacking)
        if found is not None:
            held.append(Holding(asked, found))
    for card in FOUR:
        whole = [h for h in held if card.index in h.cards and WHOLE in h.asked]
        gib = sum(h.asked[MEMORY] for h in held if card.index in h.cards and MEMORY in h.asked)
        assert len(whole) <= 1
        assert gib <= (0 if whole else card.memory_gib)
