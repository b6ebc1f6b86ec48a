"""Hugging Face, Google, Azure, and archives over https, as far as servers on loopback can play them."""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tidegate.kit.realtime import RealClock
from tidegate.modelcache.cache import ModelCache
from tidegate.modelcache.errors import CacheError, Corrupt, NotThere, Refused
from tidegate.modelcache.patience import Patience
from tidegate.modelcache.source import Access, Secrets, Source

pytestmark = [pytest.mark.live, pytest.mark.slow]

FILES = {"config.json": b"{}", "weights/model.safetensors": b"weights" * 1000}
WHEN = "Mon, 02 Nov 2026 10:00:00 GMT"
COMMIT = "c0ffee"


class Clouds(BaseHTTPRequestHandler):
    """All three at once, each under the paths of its protocol; bucket and container are `box`."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, dict[str, str]]] = []
    files: dict[str, bytes] = {}
    elsewhere = ""
    token = ""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        type(self).seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        if path.startswith("/api/models/") or "/resolve/" in path:
            self._hub(path)
        elif query.get("comp") == ["list"]:
            self._say(200, self._azure_list(query.get("prefix", [""])[0]))
        elif path in ("/box", "/box/"):
            self._say(200, self._google_list(query.get("prefix", [""])[0]))
        else:
            self._file(path.removeprefix("/box/"))

    def _hub(self, path: str) -> None:
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            self._say(401, b"{}")
        elif path == "/api/models/owner/model/revision/main":
            siblings = [
                {"rfilename": name, "size": len(data), "blobId": git_hash(data)}
                | (
                    {"lfs": {"sha256": hashlib.sha256(FILES[name]).hexdigest()}}
                    if "/" in name
                    else {}
                )
                for name, data in self.files.items()
            ]
            self._say(200, json.dumps({"sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"/owner/model/resolve/{COMMIT}/"):
            place = path.removeprefix(f"/owner/model/resolve/{COMMIT}/")
            self._say(302, b"", Location=f"{self.elsewhere}/box/{place}")
        else:
            self._say(404, b"{}")

    def _google_list(self, prefix: str) -> bytes:
        items = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2026-11-02T10:00:00.000Z</LastModified>"
            f'<Size>{len(data)}</Size><ETag>"{etag(data)}"</ETag></Contents>'
            for name, data in self.files.items()
            if name.startswith(prefix)
        )
        return f"<ListBucketResult>{items}</ListBucketResult>".encode()

    def _azure_list(self, prefix: str) -> bytes:
        items = "".join(
            f"<Blob><Name>{name}</Name><Properties><Last-Modified>{WHEN}</Last-Modified>"
            f"<Content-Length>{len(data)}</Content-Length><Content-Type>x/y</Content-Type>"
            f"<Etag>{etag(data)}</Etag></Properties></Blob>"
            for name, data in self.files.items()
            if name.startswith(prefix)
        )
        return (
            f"<EnumerationResults><Blobs>{items}</Blobs><NextMarker/></EnumerationResults>".encode()
        )

    def _file(self, name: str) -> None:
        data = self.files.get(name)
        if data is None:
            self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        md5 = b64encode(hashlib.md5(FILES.get(name, data)).digest()).decode()
        extra = {"ETag": f'"{etag(data)}"', "x-goog-hash": f"md5={md5}", "Last-Modified": WHEN}
        asked = self.headers.get("Range")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = data[int(first) : int(last) + 1]
            extra["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
            self._say(206, part, **extra)
        else:
            self._say(200, data, **extra)

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def etag(data: bytes) -> str:
    return "0x" + hashlib.sha1(data).hexdigest()[:15].upper()


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@pytest.fixture
def clouds() -> Iterator[type[Clouds]]:
    """The handler, to be told what it holds; `elsewhere` is another host (name) of the same."""

    class Mine(Clouds):
        seen: list[tuple[str, dict[str, str]]] = []
        files = dict(FILES)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    server.daemon_threads = True
    Mine.elsewhere = f"http://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Mine
    server.shutdown()
    thread.join()
    server.server_close()


def at(clouds: type[Clouds], **secrets: str) -> Access:
    url = clouds.elsewhere.replace("localhost", "127.0.0.1")
    return Access(endpoint=url, account="acc", secrets=Secrets(**secrets))  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    patience = Patience(attempts=2, backoff_s=0.05, stall_s=5)
    return ModelCache(tmp_path / "cache", clock=RealClock(), patience=patience)


def found(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("uri", ["hf://owner/model", "gs://box", "az://box"])
async def test_every_cloud_gives_the_same_folder(
    clouds: type[Clouds], cache: ModelCache, uri: str
) -> None:
    snapshot = await cache.ensure(Source(uri, at(clouds)))
    assert found(snapshot.path) == FILES
    again = await cache.ensure(Source(uri, at(clouds)), check_after_s=0)
    assert again.read_bytes == 0


@pytest.mark.parametrize(
    "uri", ["hf://owner/model/weights", "gs://box/weights/", "az://box/weights"]
)
async def test_every_cloud_gives_a_folder_of_it(
    clouds: type[Clouds], cache: ModelCache, uri: str
) -> None:
    snapshot = await cache.ensure(Source(uri, at(clouds)))
    assert found(snapshot.path) == {"model.safetensors": FILES["weights/model.safetensors"]}


@pytest.mark.parametrize(
    "uri", ["hf://owner/model/config.json", "gs://box/config.json", "az://box/config.json"]
)
async def test_every_cloud_gives_one_file_of_it(
    clouds: type[Clouds], cache: ModelCache, uri: str
) -> None:
    snapshot = await cache.ensure(Source(uri, at(clouds)))
    assert (found(snapshot.path), snapshot.single) == ({"config.json": b"{}"}, "config.json")


@pytest.mark.parametrize(
    "uri", ["hf://owner/other", "hf://owner/model/nothing", "gs://box/nothing", "az://box/nothing"]
)
async def test_every_cloud_says_what_is_not_there(
    clouds: type[Clouds], cache: ModelCache, uri: str
) -> None:
    with pytest.raises(NotThere, match=uri):
        await cache.ensure(Source(uri, at(clouds)))


@pytest.mark.parametrize(
    ("uri", "sum_"), [("hf://owner/model", "sha256"), ("gs://box", "md5")], ids=["hf", "gs"]
)
async def test_bytes_that_are_not_what_the_cloud_states_are_refused(
    clouds: type[Clouds], cache: ModelCache, uri: str, sum_: str
) -> None:
    clouds.files["weights/model.safetensors"] = b"poison!" * 1000
    with pytest.raises(Corrupt, match=f"model.safetensors.*{sum_} is"):
        await cache.ensure(Source(uri, at(clouds)))
    assert cache.entries() == ()


async def test_a_token_goes_to_the_hub_and_not_to_where_it_sends_us(
    clouds: type[Clouds], cache: ModelCache
) -> None:
    clouds.token = "hf_secret"
    with pytest.raises(Refused, match="HF_TOKEN") as why:
        await cache.ensure(Source("hf://owner/model", at(clouds)))
    assert "hf_secret" not in str(why.value)

    await cache.ensure(Source("hf://owner/model", at(clouds, token="hf_secret")))
    told = [
        path for path, headers in clouds.seen if "hf_secret" in headers.get("authorization", "")
    ]
    assert told
    assert not any(path.startswith("/box/") for path in told)
    assert not any("hf_secret" in p.read_text() for p in cache.root.rglob("*.json"))


async def test_an_azure_key_signs_urls_that_nobody_is_shown(
    clouds: type[Clouds], cache: ModelCache
) -> None:
    key = b64encode(b"key of the account").decode()
    snapshot = await cache.ensure(Source("az://box", at(clouds, account_key=key)))
    assert found(snapshot.path) == FILES
    reads = [path for path, _ in clouds.seen if path.startswith("/box/config.json")]
    assert reads
    assert all("sig=" in path for path in reads)
    texts = [p.read_text() for p in cache.root.rglob("*.json")]
    assert not any("sig=" in text or key in text for text in texts)


@pytest.mark.parametrize("access", [{"gcs_json": "{not json"}, {"account_key": "not base64!"}])
async def test_keys_that_can_not_be_read_are_said_and_not_shown(
    clouds: type[Clouds], cache: ModelCache, access: dict[str, str]
) -> None:
    uri = "gs://box" if "gcs_json" in access else "az://box"
    with pytest.raises(CacheError, match="mend the Secret") as why:
        await cache.ensure(Source(uri, at(clouds, **access)))
    assert "not " not in str(why.value)
