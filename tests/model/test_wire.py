"""Reading documents strictly: what is wrong is named by its path, what clients need is written."""

from __future__ import annotations

import pytest

from tidegate.model.core import ConfigMap
from tidegate.model.meta import Condition
from tidegate.model.pods import ContainerStateTerminated, Pod
from tidegate.model.serving import Service
from tidegate.model.wire import WrongType, read, to_raw


@pytest.mark.parametrize(
    ("type_", "raw", "said"),
    [
        pytest.param(
            ConfigMap,
            {"data": {"a": "1", "b.c/d": 2}},
            "data.b.c/d: expected str, got int (in quotes it is text)",
            id="a value of a mapping",
        ),
        pytest.param(
            Service,
            {"spec": {"template": {"metadata": {"annotations": {"x/y": True}}}}},
            "spec.template.metadata.annotations.x/y: expected str, got bool (in quotes it is text)",
            id="an annotation",
        ),
        pytest.param(
            Pod,
            {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": [1]}}}]}},
            "spec.containers[0].resources.limits.cpu: expected int | float | str, got array",
            id="a mapping inside a list",
        ),
        pytest.param(
            Pod,
            {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": "xxx"}]}]}},
            "spec.containers[0].ports[0].containerPort: expected int, got str",
            id="no mapping at all",
        ),
    ],
)
def test_a_value_of_a_wrong_type_is_named_by_its_whole_path(type_, raw, said):
    with pytest.raises(WrongType) as caught:
        read(raw, type_)
    assert str(caught.value) == said


def test_what_clients_count_on_is_written_also_where_it_is_the_default():
    # A condition without a status is none for kubectl, and Python clients refuse a missing exitCode.
    assert to_raw(Condition(type="Ready")) == {"type": "Ready", "status": "Unknown"}
    assert to_raw(ContainerStateTerminated()) == {"exitCode": 0}
