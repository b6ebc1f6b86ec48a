"""The maps of settings are there from the start, and stay as somebody left them."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.apiserver.local import ensure_namespaces
from tidegate.app.settings_maps import NAMES, ensure_settings
from tidegate.model.core import ConfigMap
from tidegate.testing.api import make_guarded_api
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime


async def test_all_are_made_once_and_what_somebody_wrote_stays():
    api = make_guarded_api(LoopClock())
    await ensure_namespaces(api)
    await ensure_settings(api)
    assert [m.metadata.name for m in api.list(ConfigMap, "knative-serving")] == sorted(NAMES)
    mine = api.get(ConfigMap, "knative-serving", "config-autoscaler")
    assert mine is not None
    await api.update(msgspec.structs.replace(mine, data={"stable-window": "30s"}))
    await ensure_settings(api)
    kept = api.get(ConfigMap, "knative-serving", "config-autoscaler")
    assert kept is not None
    assert kept.data == {"stable-window": "30s"}
