"""Hugging Face repositories: one listing of a revision, and its files at that commit.

Two requests of the hub's HTTP API are all that is needed, so no library is: files have the sha256 of
Git LFS, or git's own hash, and both are checked.
Source: huggingface.co/docs/hub/api, `GET /api/models/{repo}/revision/{rev}?blobs=true`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from tidegate.modelcache.errors import NotThere, Refused, Unreachable
from tidegate.modelcache.patience import Tries, until_answered
from tidegate.modelcache.remotes import Context
from tidegate.modelcache.remotes.paths import below, chosen
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Listing, RemoteFile
from tidegate.modelcache.web import Request, Tls, Web, refusal


class Hub:
    """A model repository, or a folder or file of it, at one revision."""

    tells_etags = False  # files come from another host after a redirect, with its own etags

    def __init__(self, source: Source, context: Context) -> None:
        self._source, self._context = source, context
        self._repo, self._revision = source.repo
        self._commit = self._revision
        access = source.access
        token = "" if access.anonymous else access.secrets.token
        self._headers = (("Authorization", f"Bearer {token}"),) if token else ()
        self.signs = bool(token)
        self.tls = Tls(access.verify_tls, access.ca_file)

    def what(self, file: RemoteFile) -> str:
        return f"hf://{self._repo}:{self._revision}/{self._path(file)}"

    def request(self, file: RemoteFile) -> Request:
        path = quote(self._path(file))
        return Request(
            f"{self._source.endpoint}/{self._repo}/resolve/{self._commit}/{path}", self._headers
        )

    def _path(self, file: RemoteFile) -> str:
        prefix = self._source.path.rstrip("/")
        return prefix if file.whole else f"{prefix}/{file.path}".lstrip("/")

    def listing(self) -> Listing:
        tries = Tries(
            self._source.shown, self._context.patience, self._context.stop, self._context.note
        )
        web = Web(self.tls, self._context.patience)
        try:
            info = until_answered(tries, lambda: self._ask(web))
        finally:
            web.close()
        self._commit = info.get("sha") or self._revision
        files = chosen(self._source, self._files(info.get("siblings") or []))
        if not files:
            raise NotThere(f"{self._source.shown}: the repository has no such file: mend the path")
        return Listing(files)

    def _files(self, siblings: list[dict[str, Any]]) -> list[tuple[str, RemoteFile]]:
        found = []
        for item in siblings:
            name = str(item["rfilename"])
            path = below(self._source.path.rstrip("/"), name)
            if path is None:
                continue
            lfs = item.get("lfs") or {}
            blob = str(item.get("blobId") or "")
            sums = (("sha256", str(lfs["sha256"])),) if "sha256" in lfs else ()
            if not lfs and len(blob) == 40:
                sums = (("git-sha1", blob),)
            found.append(
                (
                    name,
                    RemoteFile(
                        path=path,
                        size=int(item.get("size") or lfs.get("size") or 0),
                        etag=blob,
                        modified="" if blob else self._commit,
                        checksums=sums,
                        whole=name == self._source.path,
                    ),
                )
            )
        return found

    def _ask(self, web: Web) -> dict[str, Any] | str:
        url = (
            f"{self._source.endpoint}/api/models/{self._repo}/revision/"
            f"{quote(self._revision, safe='')}?blobs=true"
        )
        with web.open(Request(url, self._headers)) as answer:
            if answer.status == 200:
                try:
                    found: dict[str, Any] = json.loads(answer.read())
                    return found
                except ValueError as why:
                    raise Unreachable(
                        f"{self._source.shown}: {self._source.endpoint} doesn't answer as "
                        "Hugging Face does: is the endpoint right?"
                    ) from why
            if answer.status == 401 and not self.signs:
                raise Refused(
                    f"{self._source.shown}: there is no such repository, or it is private or gated: "
                    "mend the name, or give HF_TOKEN"
                )
            error = refusal(self._source.shown, answer, keys=self.signs)
            if error is not None:
                raise error
            return f"the hub answers {answer.status} {answer.reason}"
