"""Where caches lie, and how the documents' words become the cache's."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tidegate.app.cache_tiers import dataset_roots, dataset_tiers, default_tiers
from tidegate.app.model_caches import ModelCaches, source_of
from tidegate.kit.home import Home
from tidegate.kit.realtime import RealClock
from tidegate.model.meta import Key
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.errors import NoRoom
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Medium
from tidegate.node.fetching import Wanted
from tidegate.policy.cache_place import CachePlace, TierPlace
from tidegate.policy.config_cache import CacheConfig
from tidegate.policy.storage_access import Access
from tidegate.testing.clocks import LoopClock

KEY = Key("default", "data")
GIB = 1 << 30


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_the_default_cache_is_in_the_engines_home_with_half_of_the_free_disk(home):
    (tier,) = default_tiers(home, CacheConfig())
    assert tier.path == home.cache / "data"
    assert tier.path.is_dir()
    assert tier.quota_bytes is not None
    assert tier.quota_bytes > 0


def test_the_default_cache_may_lie_elsewhere(home, tmp_path):
    (tier,) = default_tiers(home, CacheConfig(str(tmp_path / "ssd"), GIB, 0.9, 0.5))
    assert (tier.path, tier.quota_bytes) == (tmp_path / "ssd", GIB)
    assert (tier.high, tier.low) == (0.9, 0.5)


def test_a_folder_that_cannot_be_made_is_named_with_who_says_so(home, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NoRoom, match=r"file/x can't be made.*config-cache, path"):
        default_tiers(home, CacheConfig(str(tmp_path / "file" / "x")))


def test_a_datasets_tiers_are_folders_of_its_own(home, tmp_path):
    tiers = (
        TierPlace("SSD", str(tmp_path / "ssd"), GIB, 0.95, 0.7),
        TierPlace("HDD", None, None),
    )
    fast, slow = dataset_tiers(home, CachePlace(KEY, tiers))
    assert fast.path == tmp_path / "ssd" / "default" / "data"
    assert (fast.medium, fast.quota_bytes, fast.high, fast.low) == (Medium.SSD, GIB, 0.95, 0.7)
    assert slow.path == home.cache / "datasets" / "default" / "data" / "tier-1"
    assert dataset_roots(home) == {KEY: home.cache / "datasets" / "default" / "data"}


def test_options_and_secrets_become_the_caches():
    options = {
        "endpoint": "http://minio:9000",
        "region": "r",
        "addressing": "path",
        "verify_tls": "false",
        "ca_bundle": "/ca.pem",
    }
    secrets = {"access_key_id": "me", "secret_access_key": "hush", "headers": "X-Token: t"}
    access = source_of(Access("s3://b/m", options, secrets)).access
    assert (access.endpoint, access.region, access.ca_file) == ("http://minio:9000", "r", "/ca.pem")
    assert (access.virtual_hosted, access.verify_tls, access.anonymous) == (False, False, False)
    assert (access.secrets.access_key, access.secrets.secret_key) == ("me", "hush")
    assert access.secrets.headers == (("X-Token", "t"),)
    assert "hush" not in repr(access)


def caches(home: Home, data: dict[str, str]) -> ModelCaches:
    return ModelCaches(home, LoopClock(), lambda name: data)


def test_a_map_that_cannot_be_read_leaves_the_last_good_one(home):
    data = {"look-ahead": "1m"}
    read = [data]
    it = ModelCaches(home, LoopClock(), lambda name: read[0])
    assert it.look_ahead_s == 60
    read[0] = {"look-ahead": "soon"}
    assert it.look_ahead_s == 60
    read[0] = {"look-ahead": "2m"}
    assert it.look_ahead_s == 120


def test_a_datasets_cache_goes_with_it_wherever_its_tiers_are(home, tmp_path):
    it = caches(home, {})
    place = CachePlace(KEY, (TierPlace("SSD", str(tmp_path / "ssd"), GIB),))
    assert not it.keeps(KEY)
    assert it.cached_bytes("s3://b/m", place) == 0
    assert it.keeps(KEY)
    published = tmp_path / "ssd" / "default" / "data" / "snapshots" / "x"
    published.mkdir(parents=True)
    (published / "weights").write_text("w")
    published.chmod(0o555)
    caches(home, {}).drop(KEY)  # by an engine that has not looked at it yet
    assert not it.keeps(KEY)
    assert list((tmp_path / "ssd").iterdir()) == []


def test_nobody_left_means_nothing_is_held(home):
    it = caches(home, {})
    place = CachePlace(KEY, (TierPlace("SSD", None, GIB),))
    it.cached_bytes("s3://b/m", place)
    marks = home.cache / "datasets" / "default" / "data" / "holds" / "snapshot"
    marks.mkdir(parents=True)
    for uid in ("dead", "alive"):
        (marks / f"pod%2F{uid}").touch()
    caches(home, {}).keep_only(["alive"])  # as after a start of the engine
    assert [path.name for path in marks.iterdir()] == ["pod%2Falive"]


class QuickClock(RealClock):
    """Pauses are a thousandth."""

    async def sleep(self, after_s: float) -> None:
        await super().sleep(after_s / 1000)


@pytest.mark.slow  # each fetch is a process
async def test_a_lowered_quota_holds_though_nobody_fetches(home, tmp_path):
    read: list[dict[str, str]] = [{"quota": "1Mi"}]
    it = ModelCaches(home, QuickClock(), lambda name: read[0])
    for name in ("old", "new"):
        (tmp_path / name).write_bytes(os.urandom(1000))
        wanted = Wanted(access=Access(str(tmp_path / name), {}, {}), user=name)
        await it.fetch(wanted, lambda seen: None)
    it.release("old")
    life = asyncio.create_task(it.run())
    read[0] = {"quota": "1500", "high": "0.9", "low": "0.7"}
    on_disk = ModelCache(home.cache, clock=RealClock())
    async with asyncio.timeout(60):
        while on_disk.find(Source(str(tmp_path / "old"))) is not None:
            await asyncio.sleep(0.01)
    life.cancel()
    assert on_disk.find(Source(str(tmp_path / "new"))) is not None


@pytest.mark.slow  # each fetch is a process
async def test_a_load_whose_owner_goes_meanwhile_pins_nothing(home, tmp_path):
    (tmp_path / "weights").write_text("weights")
    caches = ModelCaches(home, RealClock(), lambda _: {})
    running = asyncio.ensure_future(caches.run())
    access = Access(f"file://{tmp_path / 'weights'}", {}, {})
    caches.load("dataload/default/gone", access, None)
    caches.forget("dataload/default/gone")
    caches.load("dataload/default/here", access, None)
    async with asyncio.timeout(60):
        while (
            not (entries := ModelCache(home.cache, clock=RealClock()).entries())
            or not entries[0].pinned_by
        ):
            await RealClock().sleep(0.02)
    running.cancel()
    await asyncio.wait([running])
    assert entries[0].pinned_by == ("dataload/default/here",)
