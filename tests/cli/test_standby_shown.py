"""What `tidegate explain` says of pods at rest and of zygotes that are kept."""

from tidegate.cli.standby_shown import lines_of_standby, rows_of_pods, rows_of_zygotes
from tidegate.cli.zygotes_shown import ShownZygote

LIVING = {"sklearnserver-1": ShownZygote("sklearnserver-1", 42, 45 * 1024)}


def replica_set(said):
    annotations = {} if said is None else {"tidegate.dev/standby-zygotes": said}
    labels = {"serving.knative.dev/revision": "iris-00001"}
    return {"metadata": {"name": "rs", "labels": labels, "annotations": annotations}}


def told(said, living=LIVING):
    (line,) = lines_of_standby(rows_of_zygotes([replica_set(said)], living))
    return line.removeprefix("on standby: iris-00001 (imported): ")


def test_a_zygote_that_waits_is_named_with_its_memory_and_whose_it_is():
    assert told("sklearnserver-1") == (
        "zygote sklearnserver-1 (pid 42) waits with its imports done, for all services of that"
        " server, 45 MiB of memory"
    )


def test_one_that_has_died_is_said_to_come_again():
    assert told("sklearnserver-1,agent-2").startswith("zygote agent-2 is not there now")


def test_a_server_without_a_zygote_keeps_nothing_and_says_so():
    assert told("").startswith("nothing is kept: its server has no zygote")


def test_nothing_is_promised_before_the_node_has_said_anything():
    assert told(None) == "on its way"


def test_a_pod_at_rest_is_told_in_its_own_words_with_its_memory():
    label = {"tidegate.dev/standby": "frozen"}
    ready = {"type": "Ready", "status": "False", "message": "Stopped, its model loaded."}
    pod = {"metadata": {"name": "p", "labels": label}, "status": {"conditions": [ready]}}
    measured = {"metadata": {"name": "p"}, "containers": [{"usage": {"memory": "80Mi"}}]}
    assert list(lines_of_standby(rows_of_pods([pod], [measured]))) == [
        "on standby: p (frozen): Stopped, its model loaded, 80Mi of memory"
    ]
