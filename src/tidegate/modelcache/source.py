"""Where a model is and how to get at it: URIs, endpoints, secrets. Pure.

Source: KServe's storage initializer (schemes, a prefix copies what is below it, one object keeps its
name); Alibaba OSS is reached through its S3 API, which wants the bucket in the host name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from posixpath import normpath
from urllib.parse import quote, unquote, urlsplit

from tidegate.modelcache.errors import BadSource

SCHEMES = ("s3", "oss", "gs", "az", "abfs", "abfss", "https", "http", "hf", "file")
_AZURE_HOST = re.compile(r"([a-z0-9]{3,24})\.(?:z\d+\.)?(?:blob|dfs)\.core\.windows\.net")
_OSS_REGION = re.compile(r"(?:^|\.)(oss-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$")
_HF = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?:[:@](?P<rev>[^\s/]+))?(?:/(?P<path>.*))?")


class Kind(StrEnum):
    """What protocol reads it."""

    FILE = "file"
    S3 = "s3"
    GCS = "gs"
    AZURE = "az"
    HTTP = "http"
    HF = "hf"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must never be shown. Its repr names what is set, not what it is."""

    access_key: str = field(default="", repr=False)  # S3, OSS
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    gcs_json: str = field(default="", repr=False)  # the text of a service account's key file
    account_key: str = field(default="", repr=False)  # Azure
    sas_token: str = field(default="", repr=False)  # Azure
    client_secret: str = field(default="", repr=False)  # Azure, beside tenant_id and client_id
    token: str = field(default="", repr=False)  # Hugging Face; or Bearer of https
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # https

    def __repr__(self) -> str:
        named = [part.name for part in fields(self) if getattr(self, part.name)]
        return f"Secrets({', '.join(named) or 'none'})"


@dataclass(frozen=True, slots=True)
class Access:
    """How to get at a store. The defaults are the public clouds with TLS."""

    endpoint: str = ""  # URL or host[:port]; "": the cloud's own. For hf: of a mirror
    region: str = ""  # "": found out
    virtual_hosted: bool | None = None  # bucket in the host name; None: as the endpoint suggests
    anonymous: bool = False  # sign nothing even where keys are known
    verify_tls: bool = True
    ca_file: str = ""  # PEM file of authorities to trust instead of the system's
    account: str = ""  # Azure storage account, for az://
    tenant_id: str = ""  # Azure
    client_id: str = ""  # Azure
    secrets: Secrets = Secrets()


@dataclass(frozen=True)
class Source:
    """One model or dataset: a URI and how to get at it. Checks itself: raises `BadSource`.

    Two sources of the same `key` are the same bytes at the same time, whoever asks; secrets are no
    part of it.
    """

    uri: str
    access: Access = Access()

    def __post_init__(self) -> None:
        uri = self.uri
        if any(ord(char) < 32 for char in uri) or not uri.strip():
            raise BadSource(f"{uri!r} is no URI: empty, or control characters in it")
        _ = self.kind
        if self.kind is Kind.FILE:
            if not self.path.startswith("/"):
                raise BadSource(f"{uri!r}: a path must be absolute, such as /models/iris")
            return
        if ".." in unquote(self.path).split("/"):
            raise BadSource(f'{uri!r} must not contain ".."')
        if self.kind is Kind.HF:
            if not _HF.fullmatch(uri.partition("://")[2]):
                raise BadSource(
                    f"{uri!r} names no model: hf://owner/model or hf://owner/model:revision"
                )
            return
        if not self.bucket:
            what = "host" if self.kind is Kind.HTTP else "bucket"
            raise BadSource(f"{uri!r} names no {what}")
        if self.kind is Kind.HTTP and "@" in urlsplit(uri).netloc:
            raise BadSource(
                f"{self.shown!r} must carry no user or password: they belong in a Secret"
            )
        if self.kind is Kind.AZURE and not self.azure_account and not self.access.endpoint:
            raise BadSource(
                f"{uri!r} names no storage account: write "
                "https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH"
            )

    @cached_property
    def scheme(self) -> str:
        """Lower case; "" for a plain path."""
        scheme, found, _ = self.uri.partition("://")
        return scheme.lower() if found else ""

    @cached_property
    def kind(self) -> Kind:
        """What protocol reads it. Raises `BadSource` for a scheme that nothing here reads."""
        if self.scheme in ("", "file"):
            return Kind.FILE
        if self.scheme in ("s3", "oss"):
            return Kind.S3
        if self.scheme in ("az", "abfs", "abfss"):
            return Kind.AZURE
        if self.scheme in ("https", "http"):
            host = urlsplit(self.uri).hostname or ""
            return Kind.AZURE if _AZURE_HOST.fullmatch(host) else Kind.HTTP
        if self.scheme in ("gs", "hf"):
            return Kind(self.scheme)
        raise BadSource(
            f"{self.uri!r}: {self.scheme}:// is not fetched here: {', '.join(SCHEMES)} are"
        )

    @cached_property
    def shown(self) -> str:
        """The URI for people: without a user's part and without the query, which may be a signature."""
        head, _, query = self.uri.partition("?") if self.kind is Kind.HTTP else (self.uri, "", "")
        if self.kind in (Kind.HTTP, Kind.AZURE) and self.scheme.startswith("http"):
            head = re.sub(r"//[^/@]*@", "//", head.partition("?")[0])
        return head + ("?..." if query else "")

    @cached_property
    def bucket(self) -> str:
        """Bucket, container, or host and port; "" for files and Hugging Face."""
        if self.kind in (Kind.FILE, Kind.HF):
            return ""
        parts = urlsplit(self.uri)
        if self.kind is Kind.AZURE:
            if self.scheme.startswith("http"):
                return parts.path.lstrip("/").partition("/")[0]
            return parts.netloc.partition("@")[0]
        return self.uri.partition("://")[2].partition("/")[0].partition("?")[0]

    @cached_property
    def path(self) -> str:
        """The key or prefix in the bucket, without a leading slash; the absolute path of a file."""
        if self.kind is Kind.FILE:
            text = self.uri.partition("://")[2] if self.scheme else self.uri
            return normpath(text) if text.startswith("/") else text
        if self.kind is Kind.HF:
            found = _HF.fullmatch(self.uri.partition("://")[2])
            return (found["path"] or "") if found else ""
        if self.kind is Kind.AZURE and self.scheme.startswith("http"):
            return unquote(urlsplit(self.uri).path.lstrip("/").partition("/")[2])
        if self.kind is Kind.HTTP:
            return urlsplit(self.uri).path.lstrip("/")
        return re.sub(r"^/+", "", self.uri.partition("://")[2].partition("/")[2])

    @cached_property
    def repo(self) -> tuple[str, str]:
        """Hugging Face: (owner/model, revision); the revision is "main" where the URI has none."""
        found = _HF.fullmatch(self.uri.partition("://")[2])
        return (found["repo"], found["rev"] or "main") if found else ("", "main")

    @cached_property
    def azure_account(self) -> str:
        """The storage account; "" when neither URI nor access names one."""
        host = urlsplit(self.uri).hostname or "" if self.kind is Kind.AZURE else ""
        found = _AZURE_HOST.fullmatch(host)
        return found[1] if found else self.access.account

    @cached_property
    def endpoint(self) -> str:
        """URL of the store without the bucket, no slash at its end; "" where the URI itself says it."""
        given = self.access.endpoint.strip().rstrip("/")
        if given:
            return given if "://" in given else f"https://{given}"
        if self.kind is Kind.S3 and self.scheme == "oss":
            raise BadSource(
                f"{self.uri!r} needs the bucket's endpoint, such as oss-cn-hangzhou.aliyuncs.com: "
                "AWS_ENDPOINT_URL, or s3-endpoint of the Secret"
            )
        if self.kind is Kind.S3:
            return f"https://s3.{self.region}.amazonaws.com"
        if self.kind is Kind.HF:
            return "https://huggingface.co"
        return ""

    @cached_property
    def region(self) -> str:
        """Region that requests are signed for: given, read off an OSS endpoint, or us-east-1."""
        if self.access.region:
            return self.access.region
        host = urlsplit(self._given_url).hostname or ""
        found = _OSS_REGION.search(host)
        return found[1] if found else "us-east-1"

    @property
    def _given_url(self) -> str:
        given = self.access.endpoint
        return given if "://" in given or not given else f"https://{given}"

    @cached_property
    def virtual_hosted(self) -> bool:
        """Whether the bucket goes into the host name: said, or true for AWS and OSS alone."""
        if self.access.virtual_hosted is not None:
            return self.access.virtual_hosted
        parts = urlsplit(self.endpoint)
        host = parts.hostname or ""
        if _is_address(host) or "." in self.bucket:  # a dot would break the wildcard certificate
            return False
        return host.endswith((".amazonaws.com", ".aliyuncs.com", ".amazonaws.com.cn"))

    @cached_property
    def bucket_url(self) -> str:
        """S3: URL of the bucket, no slash at its end."""
        parts = urlsplit(self.endpoint)
        if self.virtual_hosted:
            return f"{parts.scheme}://{self.bucket}.{parts.netloc}{parts.path}"
        return f"{parts.scheme}://{parts.netloc}{parts.path}/{quote(self.bucket)}"

    @cached_property
    def store_id(self) -> str:
        """The store and bucket: with a key and an etag it names one version of one object."""
        match self.kind:
            case Kind.FILE | Kind.HTTP:
                where = ""
            case Kind.AZURE:
                where = f"{self.endpoint}|{self.azure_account}|{self.bucket}"
            case Kind.HF:
                where = f"{self.endpoint}|{self.repo[0]}"
            case _:
                where = f"{self.endpoint}|{self.bucket}"
        return f"{self.kind}|{where}"

    @cached_property
    def key(self) -> str:
        """32 hex digits: names the source in the cache."""
        path = self.uri if self.kind is Kind.HTTP else self.path
        revision = self.repo[1] if self.kind is Kind.HF else ""
        slash = self.kind in (Kind.S3, Kind.GCS, Kind.AZURE) and path.endswith("/")
        words = [self.store_id, path.rstrip("/") + ("/" if slash else ""), revision]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]

    @property
    def endpoint_shown(self) -> str:
        """The endpoint for people, "" where the URI says it."""
        return self.endpoint if self.access.endpoint else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host  # localhost, a name of the machine's own
    return True
