"""Which autoscalers choose a pod: the index says what trying everybody would say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.autoscale.hpa.choosers import Choosers
from tidegate.model.label_text import parse_selector, selects
from tidegate.model.meta import Key, ObjectMeta
from tidegate.model.pods import Pod

SELECTORS = (
    "app=a",
    "app=b",
    "app=a,tier=x",
    "app in (a,b)",
    "app in (a)",
    "app!=a",
    "tier",
    "!tier",
    "tier notin (x)",
    "",
)


def pod(labels: dict[str, str]) -> Pod:
    return Pod(metadata=ObjectMeta(name="p", namespace="default", labels=labels))


@given(
    texts=st.lists(st.sampled_from(SELECTORS), max_size=8),
    labels=st.dictionaries(
        st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b", "x"]), max_size=2
    ),
    gone=st.sets(st.integers(0, 7)),
)
def test_the_index_finds_whom_trying_everybody_finds(texts, labels, gone):
    choosers = Choosers()
    kept = {}
    for number, text in enumerate(texts):
        key = Key("default", str(number))
        choosers.put(key, parse_selector("app=other"))
        choosers.put(key, parse_selector(text))
        kept[key] = parse_selector(text)
    for number in gone:
        choosers.put(Key("default", str(number)), None)
        kept.pop(Key("default", str(number)), None)
    expected = {key for key, selector in kept.items() if selects(selector, labels)}
    assert choosers.of("default", [pod(labels)]) == expected
    assert choosers.of("elsewhere", [pod(labels)]) == set()
