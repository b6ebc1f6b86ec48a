"""S3 and everything that speaks its protocol: OSS, MinIO, Ceph, rclone.

ListObjectsV2 and GET by ourselves: 100 lines that know the error codes, so that a wrong key, a wrong
region and a missing bucket are told apart. The object is asked for alone before its prefix is listed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace

from tidegate.modelcache.errors import NotThere, Unreachable
from tidegate.modelcache.patience import Tries, until_answered
from tidegate.modelcache.remotes import Context
from tidegate.modelcache.remotes.paths import below, chosen
from tidegate.modelcache.sigv4 import query_of, quoted, signed_headers
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Listing, RemoteFile
from tidegate.modelcache.web import Request, Tls, Web, refusal

_MD5 = re.compile(r"[0-9a-f]{32}")
_SERVER = "the store answers {status} {reason}"


class S3:
    """A prefix or an object of one bucket."""

    tells_etags = True

    def __init__(self, source: Source, context: Context) -> None:
        self._source, self._context = source, context
        access = source.access
        self.signs = bool(access.secrets.access_key) and not access.anonymous
        self.tls = Tls(access.verify_tls, access.ca_file)
        self._bucket_url, self._region = source.bucket_url, source.region
        self._where = f"{source.scheme}://{source.bucket}"
        self._at = f" at {source.endpoint}" if access.endpoint else ""

    def what(self, file: RemoteFile) -> str:
        return f"{self._where}/{self._key(file)}{self._at}"

    def request(self, file: RemoteFile) -> Request:
        return self._signed(f"{self._bucket_url}/{quoted(self._key(file))}")

    def listing(self) -> Listing:
        web = Web(self.tls, self._context.patience)
        try:
            files = chosen(self._source, self._objects(web))
        finally:
            web.close()
        if not files:
            raise NotThere(
                f"{self._source.shown}{self._at}: no object has this name or lies below it: mend the path"
            )
        return Listing(files)

    def _key(self, file: RemoteFile) -> str:
        prefix = self._source.path
        if not prefix or prefix.endswith("/"):
            return prefix + file.path
        exact = file.path == prefix.rpartition("/")[2] and file.whole
        return prefix if exact else f"{prefix}/{file.path}"

    def _objects(self, web: Web) -> Iterator[tuple[str, RemoteFile]]:
        prefix = self._source.path
        after: str | None = ""
        while after is not None:
            page, after = self._page(web, prefix, after)
            for node in page.iter():
                if node.tag.rpartition("}")[2] != "Contents":
                    continue
                found = _object(node)
                path = below(prefix, found.path)
                if path is not None:
                    exact = found.path == prefix
                    yield found.path, replace(found, path=path, whole=exact)

    def _page(self, web: Web, prefix: str, after: str) -> tuple[ElementTree.Element, str | None]:
        query = {"list-type": "2", "max-keys": "1000", "prefix": prefix}
        if after:
            query["continuation-token"] = after
        url = f"{self._bucket_url}/?{query_of(query)}"
        what = f"{self._where}/{prefix}{self._at}"
        tries = Tries(what, self._context.patience, self._context.stop, self._context.note)
        body = until_answered(tries, lambda: self._read(web, url, what))
        try:
            page = ElementTree.fromstring(body)
        except ElementTree.ParseError as why:
            raise Unreachable(
                f"{what}: the answer is no S3 listing: is the endpoint right?"
            ) from why
        if page.tag.rpartition("}")[2] != "ListBucketResult":
            raise Unreachable(f"{what}: the answer is no S3 listing: is the endpoint right?")
        if _text(page, "IsTruncated") != "true":
            return page, None
        return page, _text(page, "NextContinuationToken") or None

    def _read(self, web: Web, url: str, what: str) -> bytes | str:
        with web.open(self._signed(url)) as answer:
            if answer.status == 200:
                return answer.read()
            moved = answer.getheader("x-amz-bucket-region")
            error = refusal(what, answer, keys=self.signs)
            if moved and moved != self._region and answer.status in (301, 307, 400):
                self._region = moved
                self._bucket_url = self._bucket_url.replace(self._source.region, moved)
                return f"the bucket is in {moved}"
            if error is not None:
                raise error
            return _SERVER.format(status=answer.status, reason=answer.reason)

    def _signed(self, url: str) -> Request:
        if not self.signs:
            return Request(url)
        secrets = self._source.access.secrets
        headers = signed_headers(
            url,
            secrets,
            region=self._region,
            now_s=self._context.now(),
            # Where the store keeps a checksum of the whole object it tells it then.
            headers={} if "?" in url else {"x-amz-checksum-mode": "ENABLED"},
        )
        return Request(url, tuple(headers.items()))


def _object(node: ElementTree.Element) -> RemoteFile:
    etag = _text(node, "ETag").strip('"')
    return RemoteFile(
        path=_text(node, "Key"),
        size=int(_text(node, "Size") or -1),
        etag=etag,
        modified=_text(node, "LastModified"),
        # No md5 for encrypted and multipart objects; those of the second kind carry a dash.
        checksums=(("etag-md5", etag),) if _MD5.fullmatch(etag) else (),
    )


def _text(node: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in node if child.tag.rpartition("}")[2] == name), "")
