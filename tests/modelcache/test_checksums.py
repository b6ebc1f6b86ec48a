"""What stores say about the bytes they hold."""

from __future__ import annotations

import base64
import hashlib
import zlib
from pathlib import Path

import pytest

from tidegate.modelcache.checksums import ETAG_MD5_MOST_BYTES, digest_for, stated
from tidegate.modelcache.errors import Corrupt
from tidegate.modelcache.incoming import Incoming
from tidegate.modelcache.values import RemoteFile

DATA = b"weights" * 1000


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_headers_of_s3_google_and_http_state_checksums_of_the_whole() -> None:
    md5, sha = hashlib.md5(DATA).digest(), hashlib.sha256(DATA).digest()
    google = stated({"x-goog-hash": f"crc32c=AAAAAA==,md5={b64(md5)}"}, whole=False)
    amazon = {"x-amz-checksum-sha256": b64(sha), "x-amz-checksum-type": "FULL_OBJECT"}
    assert google == (("md5", md5.hex()),)
    assert stated(amazon, whole=True) == (("sha256", sha.hex()),)
    assert stated(amazon, whole=False) == ()  # of a part: says nothing about the whole
    assert stated({"repr-digest": f"sha-256=:{b64(sha)}:"}, whole=False) == (("sha256", sha.hex()),)


@pytest.mark.parametrize("value", ["not base64!", "AAAA-5"])
def test_a_checksum_of_parts_or_nonsense_is_no_checksum(value: str) -> None:
    assert stated({"x-amz-checksum-sha256": value}, whole=True) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("etag-md5", hashlib.md5(DATA).hexdigest()),
        ("sha1", hashlib.sha1(DATA).hexdigest()),
        ("crc32", f"{zlib.crc32(DATA):08x}"),
        ("git-sha1", hashlib.sha1(b"blob %d\0" % len(DATA) + DATA).hexdigest()),
        ("sha256", hashlib.sha256(DATA).hexdigest().upper()),
    ],
)
def test_a_right_checksum_passes_and_a_wrong_one_is_said(
    tmp_path: Path, name: str, value: str
) -> None:
    assert (
        received(tmp_path, ((name, value),)).check("s3://b/k") == hashlib.sha256(DATA).hexdigest()
    )
    with pytest.raises(Corrupt, match=rf"s3://b/k: {name.removeprefix('etag-')} is"):
        received(tmp_path, ((name, "0" * len(value)),)).check("s3://b/k")


def received(folder: Path, checksums: tuple[tuple[str, str], ...]) -> Incoming:
    """A file that came in parts, the last one first."""
    incoming = Incoming(RemoteFile("f", len(DATA), checksums=checksums), folder, 1000, frozenset())
    ended = []
    for part in reversed(incoming.missing()):
        assert part.end is not None
        with incoming.path.open("r+b") as file:
            file.seek(part.start)
            file.write(DATA[part.start : part.end])
        incoming.part_done(part)
        ended.append(incoming.hash_on())
    assert ended == [False] * 6 + [True]
    return incoming


def test_an_etag_of_a_big_object_is_not_taken_for_its_md5() -> None:
    assert digest_for("etag-md5", ETAG_MD5_MOST_BYTES) is not None
    assert digest_for("etag-md5", ETAG_MD5_MOST_BYTES + 1) is None
    assert digest_for("md5", ETAG_MD5_MOST_BYTES + 1) is not None
