"""The model cache against real stores, good and bad ones, and with its process killed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.errors import (
    BadArchive,
    BadSource,
    CacheError,
    Changed,
    Corrupt,
    Held,
    Interrupted,
    NoRoom,
    NotThere,
    Refused,
    Unreachable,
)
from tidegate.modelcache.patience import Patience
from tidegate.modelcache.source import Access, Secrets, Source
from tidegate.modelcache.values import Progress, Stage, Tier
from tidegate.testing.object_server import ObjectServer, object_server

pytestmark = [pytest.mark.live, pytest.mark.slow]

MIB = 1 << 20
PATIENCE = Patience(connect_s=5, stall_s=2, attempts=4, backoff_s=0.05)
ACCESS_KEY, SECRET_KEY = "AKTIDEGATETESTKEY000", "SKTIDEGATETESTKEY000"


def some_bytes(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    with object_server() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache", clock=RealClock(), patience=PATIENCE)


def source(server: ObjectServer, uri: str = "s3://models/iris") -> Source:
    return Source(uri, Access(endpoint=server.url))


def visible(cache: ModelCache) -> list[Path]:
    """Published folders, whoever may look."""
    return [path for tier in cache.tiers for path in (tier.path / "snapshots").iterdir()]


async def test_a_prefix_becomes_a_read_only_folder_of_what_is_below_it(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", b"weights")
    server.put("models/iris/config/a.json", b"{}")
    server.put("models/iris-2/model.bin", b"another model")

    snapshot = await cache.ensure(source(server))

    found = {str(p.relative_to(snapshot.path)) for p in snapshot.path.rglob("*") if p.is_file()}
    assert found == {"model.bin", "config/a.json"}
    assert (snapshot.path / "model.bin").read_bytes() == b"weights"
    assert snapshot.path.stat().st_mode & 0o777 == 0o555
    assert (snapshot.path / "model.bin").stat().st_mode & 0o777 == 0o444


async def test_the_second_start_asks_the_store_for_nothing(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", b"weights")
    first = await cache.ensure(source(server))
    asked = (server.lists, server.reads)

    second = await ModelCache(cache.root, clock=RealClock()).ensure(source(server))

    assert (server.lists, server.reads) == asked
    assert (second.path, second.read_bytes, first.read_bytes) == (first.path, 0, 7)


async def test_twenty_askers_in_four_processes_are_one_download(
    server: ObjectServer, cache: ModelCache, tmp_path: Path
) -> None:
    data = some_bytes(40 * MIB)
    server.put("models/iris/model.bin", data)
    server.bytes_a_second = 40 * MIB
    script = tmp_path / "ask.py"
    script.write_text(
        textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from tidegate.kit.realtime import RealClock
        from tidegate.modelcache.cache import ModelCache
        from tidegate.modelcache.source import Access, Source

        async def main():
            cache = ModelCache(Path({str(cache.root)!r}), clock=RealClock())
            model = Source("s3://models/iris", Access(endpoint={server.url!r}))
            asked = [cache.ensure(model, holder=f"pod/{{n}}") for n in range(5)]
            print(*(str(one.path) for one in await asyncio.gather(*asked)))

        asyncio.run(main())
        """)
    )
    askers = [
        subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    paths = [out for one in askers for out in one.communicate(timeout=90)[0].split()]

    assert len(paths) == 20
    assert len(set(paths)) == 1
    assert server.sent == len(data)
    assert (Path(paths[0]) / "model.bin").read_bytes() == data


@pytest.mark.parametrize("trouble", ["truncate", "503", "429", "hang"])
async def test_a_read_that_fails_is_tried_again_where_it_stopped(
    server: ObjectServer, cache: ModelCache, trouble: str
) -> None:
    data = some_bytes(20 * MIB)
    server.put("models/iris/model.bin", data)
    server.trouble = [trouble]

    snapshot = await cache.ensure(source(server))

    assert (snapshot.path / "model.bin").read_bytes() == data
    assert server.sent == len(data)  # nothing came twice


async def test_an_object_that_changes_while_it_is_read_never_mixes_two_versions(
    server: ObjectServer, cache: ModelCache
) -> None:
    old, new = some_bytes(40 * MIB, seed=1), some_bytes(40 * MIB, seed=2)
    server.put("models/iris/model.bin", old)
    server.put("models/iris/other.bin", b"stays")

    def change(count: int) -> None:
        if count == 2:
            server.put("models/iris/model.bin", new)

    server.on_read = change
    snapshot = await cache.ensure(source(server))

    assert (snapshot.path / "model.bin").read_bytes() == new
    assert len(visible(cache)) == 1


async def test_an_object_that_never_rests_is_said(server: ObjectServer, cache: ModelCache) -> None:
    server.put("models/iris/model.bin", b"0")
    server.on_read = lambda count: server.put("models/iris/model.bin", b"%d" % count)

    with pytest.raises(Changed, match=r"s3://models/iris/model\.bin .* changed while it was read"):
        await cache.ensure(source(server))
    assert visible(cache) == []


async def test_bytes_that_are_not_what_the_store_states_are_refused_and_never_visible(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", some_bytes(MIB))
    server.trouble = ["flip"]

    with pytest.raises(Corrupt, match=r"md5 is [0-9a-f]{32}, the store states [0-9a-f]{32}"):
        await cache.ensure(source(server))
    assert visible(cache) == []

    snapshot = await cache.ensure(source(server))  # it was the line, not the object
    assert (snapshot.path / "model.bin").read_bytes() == some_bytes(MIB)


async def test_a_stated_sha256_is_checked(server: ObjectServer, cache: ModelCache) -> None:
    server.put("models/model.bin", b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    await cache.ensure(Source(f"{server.url}/models/model.bin#sha256={right}"))
    with pytest.raises(Corrupt, match=f"sha256 is {right}, not what the URI says: mend the URI"):
        await cache.ensure(Source(f"{server.url}/models/model.bin#sha256={'0' * 64}"))


async def test_a_server_without_ranges_is_read_in_one_piece(
    server: ObjectServer, cache: ModelCache
) -> None:
    data = some_bytes(20 * MIB)
    server.put("models/model.bin", data)
    server.ranges = False
    server.trouble = ["", "truncate"]  # the first is the question how big it is

    snapshot = await cache.ensure(Source(f"{server.url}/models/model.bin"))

    assert (snapshot.path / "model.bin").read_bytes() == data
    assert snapshot.single == "model.bin"


@pytest.mark.parametrize(
    ("uri", "kind", "words"),
    [
        ("s3://models/nothing", NotThere, "no object has this name"),
        ("s3://models/iris/model.bin", Refused, "wants keys and none were given"),
    ],
)
async def test_what_the_store_refuses_names_object_endpoint_and_way_out(
    server: ObjectServer, cache: ModelCache, uri: str, kind: type[CacheError], words: str
) -> None:
    server.put("models/iris/model.bin", b"weights")
    server.trouble = ["403"]
    with pytest.raises(kind, match=words) as why:
        await cache.ensure(source(server, uri))
    assert server.url in str(why.value)
    assert uri in str(why.value)


async def test_an_endpoint_that_is_down_is_said_and_works_again_when_it_is_back(
    cache: ModelCache,
) -> None:
    with pytest.raises(Unreachable, match="connection refused, 4 times in a row") as why:
        await cache.ensure(Source("s3://models/iris", Access(endpoint="http://127.0.0.1:9")))
    assert why.value.again
    with object_server() as server:
        server.put("models/iris/model.bin", b"weights")
        assert (await cache.ensure(source(server))).files == 1


async def test_a_store_that_is_down_does_not_hurt_what_is_here(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", b"weights")
    model = source(server)
    first = await cache.ensure(model)
    with object_server() as other:
        gone = Source(model.uri, Access(endpoint=other.url))
        other.put("models/iris/model.bin", b"weights")
        await cache.ensure(gone)
    again = await cache.ensure(gone, check_after_s=0)
    assert (again.path, again.read_bytes) == (first.path, 0)
    assert "connection refused" in again.stale


async def test_a_new_version_is_found_when_one_looks_and_the_same_one_is_not_read(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", b"old")
    server.put("models/iris/big.bin", some_bytes(MIB))
    old = await cache.ensure(source(server))
    same = await cache.ensure(source(server), check_after_s=0)
    server.put("models/iris/model.bin", b"new!")
    new = await cache.ensure(source(server), check_after_s=0)

    assert (same.path, same.read_bytes) == (old.path, 0)
    assert (new.path / "model.bin").read_bytes() == b"new!"
    assert new.read_bytes == 4  # the big one was here
    assert (old.path / "model.bin").read_bytes() == b"old"  # who runs with it keeps it


async def test_a_quota_smaller_than_the_model_is_refused_before_a_byte_is_read(
    server: ObjectServer, tmp_path: Path
) -> None:
    server.put("models/iris/model.bin", some_bytes(3 * MIB))
    cache = ModelCache(
        tmp_path / "cache",
        (Tier(tmp_path / "ssd", quota_bytes=2 * MIB),),
        clock=RealClock(),
        patience=PATIENCE,
    )
    with pytest.raises(NoRoom, match=r"3\.00MiB are more than the quota 2\.00MiB"):
        await cache.ensure(source(server))
    assert server.reads == 0


async def test_the_least_recently_used_makes_room_and_who_is_in_use_stays(
    server: ObjectServer, tmp_path: Path
) -> None:
    for name in "abcd":
        server.put(f"models/{name}/model.bin", some_bytes(MIB, seed=ord(name)))
    tier = Tier(tmp_path / "ssd", quota_bytes=3 * MIB + 1000, high=1.0, low=1.0)
    cache = ModelCache(tmp_path / "cache", (tier,), clock=RealClock(), patience=PATIENCE)
    models = {name: source(server, f"s3://models/{name}") for name in "abcd"}
    await cache.ensure(models["a"], holder="pod/1")
    await cache.ensure(models["b"])
    await cache.ensure(models["c"])
    await cache.ensure(models["d"])
    here = {name for name, model in models.items() if cache.find(model)}
    assert here == {"a", "c", "d"}  # b was used longest ago of those that nobody holds

    with pytest.raises(Held, match="in use by pod/1"):
        cache.remove(models["a"])
    cache.pin(models["c"], "dataload/x")
    cache.pin(models["d"], "dataload/y")
    with pytest.raises(NoRoom, match=r"3\.00MiB are in use or pinned"):
        await cache.ensure(models["b"])
    cache.release("pod/1")
    await cache.ensure(models["b"])
    assert cache.find(models["a"]) is None


def tar_with(*members: tuple[str, str]) -> bytes:
    """A tar.gz of (name, text); text "-> x" makes a link, "device" a device."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, text in members:
            info = tarfile.TarInfo(name)
            if text.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, text[3:]
            elif text == "device":
                info.type = tarfile.CHRTYPE
            info.size = len(text) if info.isreg() else 0
            file.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


async def test_an_archive_is_unpacked_and_kept_unpacked(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put(
        "m/iris.tar.gz", tar_with(("iris/model.bin", "weights"), ("best", "-> iris/model.bin"))
    )
    snapshot = await cache.ensure(Source(f"{server.url}/m/iris.tar.gz"))
    assert (snapshot.path / "iris/model.bin").read_text() == "weights"
    assert (snapshot.path / "best").read_text() == "weights"
    assert not (snapshot.path / "iris.tar.gz").exists()


@pytest.mark.parametrize(
    "member",
    [
        ("../evil", "x"),
        ("/etc/evil", "x"),
        ("evil", "-> ../../x"),
        ("evil", "-> /etc/passwd"),
        ("d", "device"),
    ],
    ids=["climbs", "absolute", "link out", "absolute link", "device"],
)
async def test_an_archive_that_leads_out_is_refused_whole(
    server: ObjectServer, cache: ModelCache, member: tuple[str, str]
) -> None:
    server.put("m/iris.tar.gz", tar_with(("model.bin", "weights"), member))
    with pytest.raises(BadArchive, match="refused"):
        await cache.ensure(source(server, "s3://m/iris.tar.gz"))
    assert visible(cache) == []


async def test_a_web_page_instead_of_a_model_is_said(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("m/model.bin", b"<html>please log in</html>")
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(BadSource, match="a web page came instead of a file"):
        await cache.ensure(Source(f"{server.url}/m/model.bin"))


async def killed_when(
    cache: ModelCache, model: Source, when: Callable[[Progress], bool]
) -> CacheError | None:
    """Ask, and kill -9 the fetching process at the first progress that says so."""
    before = children()

    def look(progress: Progress) -> None:
        if when(progress):
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)

    try:
        await cache.ensure(model, on_progress=look)
    except CacheError as why:
        return why
    return None


def children() -> set[int]:
    """Fetching processes of this one."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


PHASES: dict[str, Callable[[Progress], bool]] = {
    "listing": lambda p: p.stage is Stage.LISTING,
    "first bytes": lambda p: p.stage is Stage.FETCHING and p.done_bytes > 0,
    "half": lambda p: p.stage is Stage.FETCHING and p.done_bytes > 24 * MIB,
    "publishing": lambda p: p.stage is Stage.PUBLISHING,
}


@pytest.mark.parametrize("phase", PHASES)
async def test_kill_9_in_every_phase_loses_nothing_and_shows_nothing_half(
    server: ObjectServer, cache: ModelCache, phase: str
) -> None:
    data = some_bytes(48 * MIB)
    server.put("models/iris/model.bin", data)
    server.put("models/iris/small.json", b"{}")
    server.bytes_a_second = 20 * MIB

    why = await killed_when(cache, source(server), PHASES[phase])

    for folder in visible(cache):  # killed after its publishing: then it is whole
        assert (folder / "model.bin").read_bytes() == data
    if phase != "publishing":
        assert isinstance(why, Interrupted)
        assert "SIGKILL" in str(why)
        assert visible(cache) == []
    server.bytes_a_second = None
    before = server.sent
    snapshot = await cache.ensure(source(server))
    assert (snapshot.path / "model.bin").read_bytes() == data
    if phase == "publishing":
        assert server.sent == before  # all of it was there


async def test_a_fetch_goes_on_with_the_parts_that_were_finished(
    server: ObjectServer, cache: ModelCache
) -> None:
    data = some_bytes(48 * MIB)
    server.put("models/iris/model.bin", data)
    server.trouble = ["", "", "", "", "", "hang"]
    patient = ModelCache(cache.root, clock=RealClock())  # would wait for the hanging part

    why = await killed_when(patient, source(server), lambda p: p.done_bytes >= 40 * MIB)

    assert isinstance(why, Interrupted)
    before = server.sent
    snapshot = await cache.ensure(source(server))
    assert (snapshot.path / "model.bin").read_bytes() == data
    assert server.sent - before == 8 * MIB


async def test_who_asks_no_more_ends_the_fetch_and_leaves_no_process(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", some_bytes(20 * MIB))
    server.bytes_a_second = MIB
    before = children()
    begun = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(
            cache.ensure(source(server), on_progress=lambda p: p.done_bytes and begun.set())
        )
        await asyncio.wait_for(begun.wait(), 30)
        asking.cancel()
    assert children() <= before
    assert cache.progress(source(server)) is None


async def test_what_is_being_fetched_is_not_taken_away_under_the_fetch(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", some_bytes(4 * MIB))
    server.bytes_a_second = 2 * MIB
    begun = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(
            cache.ensure(source(server), on_progress=lambda p: p.done_bytes and begun.set())
        )
        await asyncio.wait_for(begun.wait(), 30)
        with pytest.raises(Held, match="is being fetched"):
            cache.remove(source(server))
    assert (asking.result().path / "model.bin").stat().st_size == 4 * MIB
    assert cache.remove(source(server)) == 4 * MIB


async def test_the_next_asker_takes_over_when_the_first_one_leaves(
    server: ObjectServer, cache: ModelCache
) -> None:
    data = some_bytes(20 * MIB)
    server.put("models/iris/model.bin", data)
    server.bytes_a_second = 4 * MIB
    begun = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(
            cache.ensure(source(server), on_progress=lambda p: p.done_bytes and begun.set())
        )
        second = group.create_task(cache.ensure(source(server)))
        await asyncio.wait_for(begun.wait(), 30)
        first.cancel()
        server.bytes_a_second = None
        snapshot = await second
    assert (snapshot.path / "model.bin").read_bytes() == data


def limited_python(folder: Path, most_bytes: int) -> str:
    """An interpreter that can't write files longer than that: a disk that is full there."""
    script = folder / "python"
    script.write_text(
        f"#!{sys.executable}\nimport os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n"
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("most_bytes", [4096, 300_000, 16 * MIB, 20 * MIB - 1])
async def test_a_disk_that_is_full_at_some_byte_is_said_and_cleaned_up(
    server: ObjectServer, tmp_path: Path, most_bytes: int
) -> None:
    server.put("models/iris/model.bin", some_bytes(20 * MIB))
    cache = ModelCache(
        tmp_path / "cache",
        clock=RealClock(),
        patience=PATIENCE,
        python=limited_python(tmp_path, most_bytes),
    )
    with pytest.raises(NoRoom, match="is full"):
        await cache.ensure(source(server))
    assert visible(cache) == []
    assert list((cache.tiers[0].path / "staging").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """96 MiB of tmpfs: a real disk that fills up."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_disk_that_fills_up_meanwhile_is_said_and_cleaned_up(
    server: ObjectServer, tmp_path: Path, small_disk: Path
) -> None:
    server.put("models/iris/model.bin", some_bytes(24 * MIB))
    cache = ModelCache(
        tmp_path / "cache", (Tier(small_disk / "tier"),), clock=RealClock(), patience=PATIENCE
    )
    other = small_disk / "other"
    server.on_read = lambda count: _fill(other) if count == 1 else None
    with pytest.raises(NoRoom, match="No space left on device"):
        await cache.ensure(source(server))
    assert visible(cache) == []
    other.unlink()
    assert (await cache.ensure(source(server))).total_bytes == 24 * MIB


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MIB))


async def test_a_broken_blob_is_found_set_aside_and_fetched_again(
    server: ObjectServer, cache: ModelCache
) -> None:
    server.put("models/iris/model.bin", some_bytes(MIB))
    server.put("models/iris/good.bin", b"good")
    snapshot = await cache.ensure(source(server))
    place = snapshot.path / "model.bin"
    place.chmod(0o644)
    with place.open("r+b") as file:
        file.write(b"rot")

    found = await cache.verify()

    assert (found.good, found.broken) == (1, ("s3://models/iris: model.bin",))
    again = await cache.ensure(source(server))
    assert (again.path / "model.bin").read_bytes() == some_bytes(MIB)
    assert (await cache.verify()).broken == ()


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A real S3 server over a folder: (URL, folder)."""
    program = shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))
    if not os.access(program, os.X_OK):
        pytest.skip("rclone is not installed")
    folder = tmp_path / "store"
    (folder / "models").mkdir(parents=True)
    log = tmp_path / "rclone.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "serve", "s3", str(folder), "--addr", "127.0.0.1:0", "-v",
             "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", str(tmp_path / "none")],
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        clock = RealClock()
        until = clock.monotonic() + 30
        while "http://127.0.0.1:" not in log.read_text() and clock.monotonic() < until:
            asyncio.run(clock.sleep(0.05))
        url = next(word for word in log.read_text().split() if "http://127.0.0.1:" in word)
        yield url.strip("[]/"), folder
    finally:
        process.terminate()
        process.wait()


def keys(url: str, secret_key: str = SECRET_KEY) -> Access:
    return Access(endpoint=url, secrets=Secrets(access_key=ACCESS_KEY, secret_key=secret_key))


async def test_a_real_s3_server_gives_a_model_and_is_not_needed_again(
    rclone: tuple[str, Path], cache: ModelCache
) -> None:
    url, folder = rclone
    data = some_bytes(40 * MIB)
    (folder / "models/iris/sub").mkdir(parents=True)
    (folder / "models/iris/model.bin").write_bytes(data)
    (folder / "models/iris/sub/näme with blank+.json").write_text("{}")

    snapshot = await cache.ensure(Source("s3://models/iris", keys(url)))

    assert (snapshot.path / "model.bin").read_bytes() == data
    assert (snapshot.path / "sub/näme with blank+.json").read_text() == "{}"
    part = await cache.ensure(Source("s3://models/iris/sub/", keys(url)))
    assert (part.files, part.read_bytes) == (1, 0)
    one = await cache.ensure(Source("oss://models/iris/model.bin", keys(url)))
    assert (one.single, one.read_bytes) == ("model.bin", 0)


@pytest.mark.parametrize(
    ("uri", "secret", "kind", "words"),
    [
        ("s3://models/iris", "wrong-key-00000000000", Refused, "secret key is wrong"),
        ("s3://nothing/iris", SECRET_KEY, NotThere, "no such bucket"),
        ("s3://models/nothing", SECRET_KEY, NotThere, "no object has this name"),
    ],
    ids=["wrong keys", "no bucket", "no key"],
)
async def test_a_real_s3_server_refuses_in_words_and_no_key_is_told(
    rclone: tuple[str, Path],
    cache: ModelCache,
    uri: str,
    secret: str,
    kind: type[CacheError],
    words: str,
) -> None:
    with pytest.raises(kind, match=words) as why:
        await cache.ensure(Source(uri, keys(rclone[0], secret)))
    assert uri in str(why.value)
    assert rclone[0] in str(why.value)
    assert secret not in str(why.value)
    assert not any(secret in p.read_text() for p in cache.root.rglob("*") if p.is_file())


async def test_a_proxy_of_the_environment_is_used(
    server: ObjectServer, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("models/iris/model.bin", b"weights")
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    far = Source("s3://models/iris", Access(endpoint="http://store.invalid:9000"))
    snapshot = await cache.ensure(far)
    assert (snapshot.path / "model.bin").read_bytes() == b"weights"
