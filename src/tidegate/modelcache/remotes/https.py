"""One file behind a URL: a model, or an archive of one."""

from __future__ import annotations

import re
from posixpath import basename
from urllib.parse import unquote, urlsplit

from tidegate.modelcache.checksums import stated
from tidegate.modelcache.errors import BadSource
from tidegate.modelcache.patience import Tries, until_answered
from tidegate.modelcache.remotes import Context
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Listing, RemoteFile
from tidegate.modelcache.web import Request, Tls, Web, refusal

_FRAGMENT = re.compile(r"sha256=([0-9a-f]{64})")


class Https:
    """A URL. `#sha256=HEX` at its end states what must come."""

    tells_etags = True

    def __init__(self, source: Source, context: Context) -> None:
        self._source, self._context = source, context
        access = source.access
        self._url, _, fragment = source.uri.partition("#")
        found = _FRAGMENT.fullmatch(fragment)
        self._sha256 = found[1] if found else ""
        headers = dict(access.secrets.headers)
        if access.secrets.token and not any(name.lower() == "authorization" for name in headers):
            headers["Authorization"] = f"Bearer {access.secrets.token}"
        self._headers = () if access.anonymous else tuple(headers.items())
        self.signs = bool(self._headers)
        self.tls = Tls(access.verify_tls, access.ca_file)
        self.name = basename(unquote(urlsplit(self._url).path).rstrip("/")) or "model"

    def what(self, file: RemoteFile) -> str:
        return self._source.shown

    def request(self, file: RemoteFile) -> Request:
        return Request(self._url, self._headers)

    def listing(self) -> Listing:
        tries = Tries(
            self._source.shown, self._context.patience, self._context.stop, self._context.note
        )
        web = Web(self.tls, self._context.patience)
        try:
            return Listing((until_answered(tries, lambda: self._ask(web, ranged=True)),))
        finally:
            web.close()

    def _ask(self, web: Web, *, ranged: bool) -> RemoteFile | str:
        # One byte instead of HEAD: signed URLs are signed for GET, and some servers know no HEAD.
        headers = (*self._headers, ("Range", "bytes=0-0")) if ranged else self._headers
        with web.open(Request(self._url, headers)) as answer:
            if answer.status == 416 and ranged:  # nothing in it
                return self._ask(web, ranged=False)
            if answer.status not in (200, 206):
                error = refusal(self._source.shown, answer, keys=self.signs)
                if error is not None:
                    raise error
                return f"the server answers {answer.status} {answer.reason}"
            kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
            if kind == "text/html" and not self.name.endswith((".html", ".htm")):
                raise BadSource(
                    f"{self._source.shown}: a web page came instead of a file: "
                    "is this the download link, and does it need a token?"
                )
            return self._described(
                {name.lower(): value for name, value in answer.getheaders()}, answer.length
            )

    def _described(self, headers: dict[str, str], length: int | None) -> RemoteFile:
        total = headers.get("content-range", "").rpartition("/")[2]
        size = int(total) if total.isdigit() else -1
        if "content-range" not in headers and length is not None:
            size = length
        sums = stated(headers, whole="content-range" not in headers)
        if self._sha256:
            sums = (*sums, ("sha256", self._sha256))
        return RemoteFile(
            path=self.name,
            size=size,
            etag=headers.get("etag", "").replace('"', ""),
            modified=headers.get("last-modified", ""),
            checksums=sums,
            whole=True,
            ranged="content-range" in headers,
        )
