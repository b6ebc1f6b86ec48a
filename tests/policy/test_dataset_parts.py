"""What of a dataset a pod needs, and where datasets and the default cache keep it."""

from __future__ import annotations

import pytest

from tidegate.model.fluid import DatasetMount
from tidegate.model.fluid_runtimes import (
    JindoRuntime,
    JindoRuntimeSpec,
    TieredStore,
    TierLevel,
)
from tidegate.model.meta import Key
from tidegate.policy.cache_place import TierPlace, cache_place
from tidegate.policy.config_cache import CacheConfig, parse_config_cache
from tidegate.policy.dataset_parts import RemoteMount, parts_of
from tidegate.policy.errors import BadConfig

KEY = Key("default", "data")
GIB = 1 << 30


def mount(place: str) -> RemoteMount:
    uri = f"oss://b/{place or 'all'}"
    return RemoteMount(place, DatasetMount(mount_point=uri), uri)


def needed(places: list[str], *paths: str) -> dict[str, str]:
    return {part.place: part.uri for part in parts_of([mount(p) for p in places], paths)}


@pytest.mark.parametrize(
    ("places", "paths", "parts"),
    [
        (["sd", "vae"], [""], {"sd": "oss://b/sd", "vae": "oss://b/vae"}),
        (["sd", "vae"], ["sd"], {"sd": "oss://b/sd"}),
        (["sd", "vae"], ["sd/unet"], {"sd/unet": "oss://b/sd/unet"}),
        (["a/sd", "a/vae"], ["a"], {"a/sd": "oss://b/a/sd", "a/vae": "oss://b/a/vae"}),
        ([""], ["sd/x"], {"sd/x": "oss://b/all/sd/x"}),
        ([""], [""], {"": "oss://b/all"}),
        (["sd"], ["sdx"], {}),
        (["sd"], ["sd/unet", "sd"], {"sd": "oss://b/sd"}),
        (["sd"], ["sd/unet", "sd/unet/x"], {"sd/unet": "oss://b/sd/unet"}),
    ],
)
def test_only_what_is_mounted_is_needed(places, paths, parts):
    assert needed(places, *paths) == parts


def runtime(*levels: TierLevel, replicas: int | None = 1) -> JindoRuntime:
    spec = JindoRuntimeSpec(replicas=replicas, tieredstore=TieredStore(levels=levels))
    return JindoRuntime(spec=spec)


def tiers(*levels: TierLevel, replicas: int | None = 1) -> tuple[TierPlace, ...]:
    place = cache_place(KEY, runtime(*levels, replicas=replicas))
    assert place is not None
    return place.tiers


def test_all_workers_quotas_are_on_this_machine():
    (tier,) = tiers(TierLevel(mediumtype="SSD", path="/a", quota="10Gi"), replicas=3)
    assert tier == TierPlace("SSD", "/a", 30 * GIB, 0.8, 0.6)


def test_paths_share_a_quota_or_have_their_own():
    shared = tiers(TierLevel(mediumtype="HDD", path="/a,/b", quota="10Gi"))
    assert [tier.quota_bytes for tier in shared] == [5 * GIB, 5 * GIB]
    own = tiers(TierLevel(mediumtype="HDD", path="/a,/b", quota_list="1Gi,2Gi"))
    assert [tier.quota_bytes for tier in own] == [GIB, 2 * GIB]


def test_an_emptydir_is_a_folder_of_the_engines():
    (tier,) = tiers(TierLevel(mediumtype="SSD", path="/a", volume_type="emptyDir", quota="1Gi"))
    assert tier.path is None


def test_a_low_watermark_is_never_above_the_high_one():
    (tier,) = tiers(TierLevel(mediumtype="SSD", path="/a", quota="1Gi", high="0.5"))
    assert (tier.high, tier.low) == (0.5, 0.5)


def test_a_runtime_without_tiers_is_in_the_default_cache():
    assert cache_place(KEY, runtime()) is None
    assert cache_place(KEY, None) is None


def test_the_default_cache_is_what_its_map_says():
    found = parse_config_cache({"path": "/mnt/x", "quota": "1Gi", "high": "0.9", "low": "0.5"})
    assert found == CacheConfig("/mnt/x", GIB, 0.9, 0.5)
    assert parse_config_cache({"look-ahead": "0s"}).look_ahead_s == 0
    assert parse_config_cache({}) == CacheConfig()


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"size": "1"}, "size"),
        ({"path": "here"}, "path"),
        ({"path": "/"}, "path"),
        ({"quota": "-1"}, "quota"),
        ({"quota": "much"}, "quota"),
        ({"high": "2"}, "high"),
        ({"low": "0.96"}, "low"),
        ({"look-ahead": "soon"}, "look-ahead"),
    ],
)
def test_a_map_that_makes_no_sense_names_its_key(data, key):
    with pytest.raises(BadConfig, match=f"data.{key}.: "):
        parse_config_cache(data)
