"""Google Cloud Storage and Azure Blob Storage: obstore lists and signs, our own reader reads.

A signed URL lets one reader serve all stores: parts, If-Match, retries and their words are the same.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore

from tidegate.modelcache.errors import BadSource, CacheError, NotThere, Refused, Unreachable
from tidegate.modelcache.patience import Patience
from tidegate.modelcache.remotes import Context
from tidegate.modelcache.remotes.paths import below, chosen
from tidegate.modelcache.source import Kind, Source
from tidegate.modelcache.values import Listing, RemoteFile
from tidegate.modelcache.web import Request, Tls

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig

_SIGNED_FOR = timedelta(minutes=15)  # a part takes seconds; each part is signed by itself

_AS_STORED = (("Accept-Encoding", "gzip"),)
"""Objects stored compressed come as they are: Google unpacks them on the way for clients that don't say this."""


class Cloud:
    """A prefix or an object of one bucket or container."""

    tells_etags = True

    def __init__(self, source: Source, context: Context) -> None:
        self._source = source
        access = source.access
        self.tls = Tls(access.verify_tls, access.ca_file)
        secrets = access.secrets
        keys = (secrets.gcs_json, secrets.account_key, secrets.client_secret)
        self.signs = any(keys) and not access.anonymous
        self._sas = "" if access.anonymous else secrets.sas_token.lstrip("?")
        self._store = _store(source, self.tls, context.patience, signs=self.signs)

    def what(self, file: RemoteFile) -> str:
        at = f" at {self._source.endpoint}" if self._source.endpoint else ""
        return f"{self._source.scheme}://{self._source.bucket}/{self._key(file)}{at}"

    def request(self, file: RemoteFile) -> Request:
        key = self._key(file)
        if self.signs:
            try:
                return Request(obstore.sign(self._store, "GET", key, _SIGNED_FOR), _AS_STORED)
            except (BaseError, OSError) as why:
                raise self._translated(why) from why
        query = f"?{self._sas}" if self._sas else ""
        return Request(f"{_bucket_url(self._source)}/{quote(key)}{query}", _AS_STORED)

    def _key(self, file: RemoteFile) -> str:
        prefix = self._source.path.rstrip("/")
        return prefix if file.whole else f"{prefix}/{file.path}".lstrip("/")

    def listing(self) -> Listing:
        try:
            found = self._found()
        except (BaseError, OSError) as why:
            raise self._translated(why) from why
        files = chosen(self._source, found)
        if not files:
            raise NotThere(
                f"{self._source.shown}: no object has this name or lies below it: mend the path"
            )
        return Listing(files)

    def _found(self) -> list[tuple[str, RemoteFile]]:
        path = self._source.path
        if path and not path.endswith("/"):
            try:
                meta = cast("dict[str, Any]", obstore.head(self._store, path))
                return [(path, _file(meta, path.rpartition("/")[2], whole=True))]
            except (NotFoundError, FileNotFoundError):
                pass  # a prefix, perhaps; a missing bucket says so below
        found = []
        for page in obstore.list(self._store, prefix=path.rstrip("/") or None):
            for meta in cast("list[dict[str, Any]]", page):
                place = below(path.rstrip("/"), meta["path"])
                if place is not None:
                    found.append((meta["path"], _file(meta, place, whole=False)))
        return found

    def _translated(self, why: BaseError | OSError) -> CacheError:
        text = str(why)
        code = re.search(r"<Code>(\w+)</Code>", text)
        told = f" [{code[1]}]" if code else ""
        what = self._source.shown
        if isinstance(why, NotFoundError | FileNotFoundError):
            return NotThere(f"{what}: there is no such bucket or object: mend the URI{told}")
        if isinstance(why, PermissionDeniedError | UnauthenticatedError) or re.search(
            r"\b40[13]\b", text
        ):
            way = "mend the Secret" if self.signs or self._sas else "name a Secret with keys"
            return Refused(f"{what}: the store refuses to show it: {way}{told}")
        if re.search(r"credential|private key|service account|\bPEM\b|base64", text, re.IGNORECASE):
            return BadSource(f"{what}: the keys can't be read: mend the Secret")
        return Unreachable(
            f"{what}: the store could not be asked: check the endpoint and the network{told}"
        )


def _file(meta: dict[str, Any], path: str, *, whole: bool) -> RemoteFile:
    return RemoteFile(
        path=path,
        size=int(meta["size"]),
        etag=str(meta.get("e_tag") or "").strip('"'),
        modified=str(meta["last_modified"]),
        whole=whole,
    )


def _bucket_url(source: Source) -> str:
    if source.kind is Kind.GCS:
        return f"{source.endpoint or 'https://storage.googleapis.com'}/{quote(source.bucket)}"
    base = source.endpoint or f"https://{source.azure_account}.blob.core.windows.net"
    return f"{base}/{quote(source.bucket)}"


def _store(source: Source, tls: Tls, patience: Patience, *, signs: bool) -> GCSStore | AzureStore:
    client: ClientConfig = {
        "allow_http": True,
        "allow_invalid_certificates": not tls.verify,
        "connect_timeout": timedelta(seconds=patience.connect_s),
        "read_timeout": timedelta(seconds=patience.stall_s),
        "timeout": timedelta(seconds=patience.stall_s * 3),
    }
    if tls.ca_file:
        try:
            with open(tls.ca_file, "rb") as file:
                client["root_certificate"] = file.read()
        except OSError as why:
            raise BadSource(f"authorities {tls.ca_file!r} can't be read: {why.strerror}") from why
    retries: RetryConfig = {
        "max_retries": patience.attempts - 1,
        "retry_timeout": timedelta(seconds=patience.stall_s * 2),
    }
    secrets = source.access.secrets
    try:
        if source.kind is Kind.GCS:
            google: GCSConfig = (
                {"service_account_key": secrets.gcs_json} if signs else {"skip_signature": True}
            )
            if source.endpoint:
                google["base_url"] = source.endpoint
            return GCSStore(
                source.bucket,
                config=google,
                client_options=client,
                retry_config=retries,
            )
        config: AzureConfig = {"account_name": source.azure_account or "local"}
        if source.endpoint:
            config["endpoint"] = source.endpoint
        if signs and secrets.account_key:
            config["account_key"] = secrets.account_key
        elif signs:
            config["tenant_id"] = source.access.tenant_id
            config["client_id"] = source.access.client_id
            config["client_secret"] = secrets.client_secret
        elif secrets.sas_token and not source.access.anonymous:
            config["sas_key"] = secrets.sas_token
        else:
            config["skip_signature"] = True
        return AzureStore(
            source.bucket,
            config=config,
            client_options=client,
            retry_config=retries,
        )
    except (BaseError, OSError, ValueError) as why:
        raise BadSource(f"{source.shown}: the keys can't be read: mend the Secret") from why
