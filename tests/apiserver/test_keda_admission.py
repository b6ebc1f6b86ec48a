"""What a refused ScaledObject is told: the field and the value that stands there."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.apiserver.keda_admission import check_scaled_object
from tidegate.model.errors import Invalid
from tidegate.model.keda import ScaledObject
from tidegate.model.wire import read

CRON = {"start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "3", "timezone": "Mars/X"}


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        (
            {"type": "cron", "metadata": CRON},
            'spec.triggers[0].metadata.timezone: Invalid value: "Mars/X"',
        ),
        (
            {"type": "cpu", "metricType": "Value", "metadata": {"value": "50"}},
            'spec.triggers[0].metricType: Invalid value: "Value"',
        ),
        (
            {"type": "nosuch", "metadata": {}},
            'spec.triggers[0].type: Invalid value: "nosuch"',
        ),
    ],
)
def test_a_refused_trigger_is_told_the_value_that_is_wrong(trigger: dict[str, Any], says: str):
    raw = {
        "metadata": {"name": "k", "namespace": "default"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [trigger]},
    }
    with pytest.raises(Invalid) as refused:
        check_scaled_object(read(raw, ScaledObject)[0])
    assert says in str(refused.value)
