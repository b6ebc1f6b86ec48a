"""Following logs: every run of every pod once, whatever comes and goes."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import pytest

from tidegate.cli.follow import Follower, run_of
from tidegate.model.errors import NotFound


def pod(name: str, run: str | None) -> dict:
    status = {"name": "c"} | ({"containerID": run} if run else {})
    return {"metadata": {"name": name}, "status": {"containerStatuses": [status]}}


def followed(*looks: list[dict], lines: dict[str, list[bytes]]) -> list[str]:
    """What is printed when these pods are seen one after the other; `lines` are each pod's runs."""
    ended, out, rest = threading.Event(), io.BytesIO(), list(looks)
    runs = {name: iter(texts) for name, texts in lines.items()}

    def look() -> list[dict]:
        if len(rest) == 1:
            ended.set()
        for thread in threading.enumerate():
            if thread.daemon and thread.name.endswith("(_copy)"):
                thread.join(5)
        return rest.pop(0)

    def read(name: str) -> Iterator[bytes]:
        text = next(runs[name], None)
        if text is None:
            raise NotFound("pods", name)
        yield text

    ended.wait = lambda timeout=None: ended.is_set()  # type: ignore[method-assign]
    Follower(look, read, out).run(ended)
    return out.getvalue().decode().splitlines()


def test_a_restarted_container_is_followed_again_and_one_that_stays_only_once():
    seen = followed(
        [], [pod("a", "1")], [pod("a", "1")], [pod("a", "2")], [], lines={"a": [b"one\n", b"two\n"]}
    )
    assert seen == ["[a] one", "[a] two"]


def test_pods_that_come_later_are_followed_also_after_none_were_left():
    seen = followed(
        [pod("a", "1")], [], [pod("b", "1b")], [], lines={"a": [b"from a\n"], "b": [b"from b\n"]}
    )
    assert seen == ["[a] from a", "[b] from b"]


@pytest.mark.parametrize(
    ("status", "container", "run"),
    [
        pytest.param({}, None, None, id="nothing has started"),
        pytest.param(
            {"containerStatuses": [{"name": "c", "containerID": ""}]}, None, None, id="empty"
        ),
        pytest.param(
            {"containerStatuses": [{"name": "c", "containerID": "1"}]}, "d", None, id="not that one"
        ),
        pytest.param(
            {
                "containerStatuses": [
                    {"name": "c", "containerID": "1"},
                    {"name": "d", "containerID": "2"},
                ]
            },
            "d",
            "2",
            id="the one that was asked for",
        ),
    ],
)
def test_a_run_is_known_by_its_container_id(status, container, run):
    assert run_of({"status": status}, container) == run


def test_a_run_is_the_one_of_the_container_that_the_pod_says_is_meant():
    statuses = [{"name": "a", "containerID": "1"}, {"name": "b", "containerID": "2"}]
    notes = {"kubectl.kubernetes.io/default-container": "b"}
    pod = {"metadata": {"annotations": notes}, "status": {"containerStatuses": statuses}}
    assert (run_of(pod, None), run_of(pod, "a")) == ("2", "1")
