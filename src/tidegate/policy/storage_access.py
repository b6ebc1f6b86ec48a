"""How data on other machines is reached: endpoint, region and keys, out of each dialect's own names. Pure.

Three dialects: the environment that KServe gives its storage initializer, the attributes of an object
storage volume, and the options of a Fluid mount. All become one `Access`. Values of `secrets` are never
shown: not in errors, not in a repr.
Source: kserve pkg/credentials and python/storage; alibaba-cloud-csi-driver pkg/oss; Fluid's samples and
JindoSDK's and Alluxio's property names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.model import kserve_names as names
from tidegate.model.storage_uris import scheme_of

#: The environment of KServe's storage initializer -> option; what is not here is a secret or unknown.
_KSERVE_OPTIONS = {
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_DEFAULT_REGION": "region",
    "AWS_REGION": "region",
    "AWS_CA_BUNDLE": "ca_bundle",
    "OSS_ENDPOINT": "endpoint",
    "OSS_REGION": "region",
    "AZURE_ACCOUNT_NAME": "account",
    "AZURE_SERVICE_URL": "endpoint",
    "HF_ENDPOINT": "endpoint",
}
_KSERVE_SECRETS = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "OSS_ACCESS_KEY_ID": "access_key_id",
    "OSS_ACCESS_KEY_SECRET": "secret_access_key",
    "AZURE_STORAGE_ACCESS_KEY": "account_key",
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",
    "HF_TOKEN": "token",
    "GOOGLE_CREDENTIALS": "google_credentials",
}
_HEADERS = "-headers"
#: Options of Fluid mounts. Jindo, Alluxio (and its S3 under store), Hadoop's s3a.
_FLUID_OPTIONS = {
    "fs.oss.endpoint": "endpoint",
    "fs.oss.region": "region",
    "fs.s3.endpoint": "endpoint",
    "fs.s3.region": "region",
    "fs.s3a.endpoint": "endpoint",
    "fs.s3a.endpoint.region": "region",
    "alluxio.underfs.s3.endpoint": "endpoint",
    "alluxio.underfs.s3.region": "region",
    "alluxio.underfs.s3.endpoint.region": "region",
    "endpoint": "endpoint",
    "region": "region",
}
_FLUID_PATH_STYLE = (
    "alluxio.underfs.s3.disable.dns.buckets",
    "fs.s3a.path.style.access",
    "fs.s3.pathStyle",
)
_FLUID_SECRETS = {
    "fs.oss.accessKeyId": "access_key_id",
    "fs.oss.accessKeySecret": "secret_access_key",
    "fs.oss.securityToken": "session_token",
    "fs.s3.accessKeyId": "access_key_id",
    "fs.s3.accessKeySecret": "secret_access_key",
    "fs.s3a.access.key": "access_key_id",
    "fs.s3a.secret.key": "secret_access_key",
    "fs.s3a.session.token": "session_token",
    "aws.accessKeyId": "access_key_id",
    "aws.secretKey": "secret_access_key",
    "aws.sessionToken": "session_token",
    "alluxio.underfs.gcs.credential": "google_credentials",
    "hf.token": "token",
}
#: Every option of a mount that has a meaning here.
FLUID_KNOWN = frozenset((*_FLUID_OPTIONS, *_FLUID_PATH_STYLE, *_FLUID_SECRETS))

#: CSI drivers whose volumes are buckets. Object storage of Alibaba Cloud, and the two usual ones of S3.
OSS_DRIVER = "ossplugin.csi.alibabacloud.com"
S3_DRIVERS = ("ru.yandex.s3.csi", "s3.csi.aws.com", "ch.ctrox.csi.s3-driver")
BUCKET_DRIVERS = (OSS_DRIVER, *S3_DRIVERS)


class BadAccess(ValueError):
    """What a document says about reaching its data can't be honoured; the sentence names the field."""


@dataclass(frozen=True, slots=True)
class Access:
    """`options` may be shown, `secrets` never."""

    uri: str
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


# --- KServe


def of_environment(uri: str, env: Mapping[str, str]) -> Access:
    """As KServe's storage initializer reads its environment. Raises `BadAccess`."""
    if scheme_of(uri) == names.STORAGE_PLACEHOLDER:
        return _of_storage_config(uri, env)
    options, secrets = _of_kserve(uri, env)
    if not _yes(env.get("S3_VERIFY_SSL"), True):
        options["verify_tls"] = "false"
    if _yes(env.get("awsAnonymousCredential"), False):
        options["anonymous"] = "true"
    if "S3_USER_VIRTUAL_BUCKET" in env:
        virtual = _yes(env["S3_USER_VIRTUAL_BUCKET"], False)
        options["addressing"] = "virtual" if virtual else "path"
    if _yes(env.get("S3_USE_ACCELERATE"), False):
        raise BadAccess(
            f"{names.GROUP}/s3-useaccelerate: transfer acceleration is not used here: leave it out"
        )
    if env.get("AWS_CA_BUNDLE_CONFIGMAP"):
        raise BadAccess(
            f"{names.GROUP}/s3-cabundle-configmap: no ConfigMap is mounted where models are fetched: "
            f"name a file of this machine by {names.GROUP}/s3-cabundle"
        )
    host = uri.partition("://")[2].partition("/")[0]
    if headers := env.get(f"{host}{_HEADERS}"):
        secrets["headers"] = headers
    return Access(uri, options, secrets)


def _of_kserve(uri: str, env: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Options and secrets. Where an account has Secrets of S3 and of OSS, a store is asked by its own; with
    one kind only, that is meant."""
    oss = {name: value for name, value in env.items() if name.startswith("OSS_")}
    rest = {name: value for name, value in env.items() if name not in oss}
    endpoint = rest.get("S3_ENDPOINT")
    if endpoint:
        secure = _yes(rest.get("S3_USE_HTTPS"), True)
        rest.setdefault("AWS_ENDPOINT_URL", with_scheme(endpoint, secure=secure))
    own, other = (oss, rest) if scheme_of(uri) == "oss" else (rest, oss)
    secrets = _chosen(own, _KSERVE_SECRETS)
    if "access_key_id" in secrets:
        return _chosen(own, _KSERVE_OPTIONS), secrets
    options = _chosen(other, _KSERVE_OPTIONS) | _chosen(own, _KSERVE_OPTIONS)
    return options, _chosen(other, _KSERVE_SECRETS) | secrets


def _of_storage_config(uri: str, env: Mapping[str, str]) -> Access:
    """`storage.key`: type and bucket stand in the Secret, or in the document's parameters."""
    said = _json(names.STORAGE_CONFIG_VARIABLE, env) | _json(names.STORAGE_OVERRIDE_VARIABLE, env)
    path, type_ = uri.partition("://")[2], said.get("type", "s3")
    bucket = said.get("bucket", "")
    if type_ in ("s3", "oss", "gs"):
        if not bucket:
            raise BadAccess(f"Secret {names.STORAGE_CONFIG}: names no bucket for {type_} storage")
        uri = f"{type_}://{bucket}/{path}"
    else:
        uri = f"{type_}://{path}"
    options, secrets = {}, {}
    for theirs, ours in (
        ("endpoint_url", "endpoint"),
        ("region", "region"),
        ("cabundle", "ca_bundle"),
    ):
        if said.get(theirs):
            options[ours] = said[theirs]
    if _yes(said.get("anonymous"), False):
        options["anonymous"] = "true"
    if not _yes(said.get("verify_ssl"), True):
        options["verify_tls"] = "false"
    for theirs in ("access_key_id", "secret_access_key"):
        if said.get(theirs):
            secrets[theirs] = said[theirs]
    if said.get("base64_service_account"):
        raise BadAccess(
            f"Secret {names.STORAGE_CONFIG}: base64_service_account is not read here: attach a Secret "
            "with gcloud-application-credentials.json to the ServiceAccount"
        )
    return Access(uri, options, secrets)


def _json(variable: str, env: Mapping[str, str]) -> dict[str, str]:
    """Never quotes what it read: it may be secret."""
    text = env.get(variable)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadAccess(f"{variable}: must be a JSON object (Secret {names.STORAGE_CONFIG})")
    return {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in found.items()
    }


# --- volumes


def of_volume(
    driver: str, handle: str, attributes: Mapping[str, str], keys: Mapping[str, str]
) -> Access:
    """A bucket as a volume. `keys`: of the Secret that `nodePublishSecretRef` names. Raises `BadAccess`."""
    if driver == OSS_DRIVER:
        return _oss_volume(attributes, keys)
    bucket = attributes.get("bucket") or attributes.get("bucketName") or handle.partition("/")[0]
    prefix = attributes.get("prefix") or handle.partition("/")[2]
    options = {}
    for theirs, ours in (
        ("endpoint", "endpoint"),
        ("endpointURL", "endpoint"),
        ("region", "region"),
    ):
        found = attributes.get(theirs) or keys.get(theirs)
        if found:
            options[ours] = found
    secrets = {}
    for theirs, ours in (
        ("accessKeyID", "access_key_id"),
        ("secretAccessKey", "secret_access_key"),
        ("key_id", "access_key_id"),
        ("access_key", "secret_access_key"),
    ):
        if keys.get(theirs):
            secrets[ours] = keys[theirs]
    if not secrets:
        options["anonymous"] = "true"
    return Access(_bucket("s3", bucket, prefix), options, secrets)


def _oss_volume(attributes: Mapping[str, str], keys: Mapping[str, str]) -> Access:
    bucket, url = attributes.get("bucket", ""), attributes.get("url", "")
    if not bucket:
        raise BadAccess("spec.csi.volumeAttributes.bucket: must name the bucket")
    if not url:
        raise BadAccess(
            "spec.csi.volumeAttributes.url: must name the endpoint, such as oss-cn-beijing.aliyuncs.com"
        )
    id_ = attributes.get("akId") or keys.get("akId")
    secret = attributes.get("akSecret") or keys.get("akSecret")
    options, secrets = {"endpoint": url}, {}
    if id_ and secret:
        secrets = {"access_key_id": id_, "secret_access_key": secret}
    elif id_ or secret:
        raise BadAccess("spec.csi.volumeAttributes: akId and akSecret go together")
    else:
        options["anonymous"] = "true"
    return Access(_bucket("oss", bucket, attributes.get("path", "")), options, secrets)


# --- Fluid


def of_mount(uri: str, options: Mapping[str, str]) -> Access:
    """`options` of the dataset and its mount with the values of encryptOptions."""
    found, secrets = _chosen(options, _FLUID_OPTIONS), _chosen(options, _FLUID_SECRETS)
    style = next((options[name] for name in _FLUID_PATH_STYLE if name in options), None)
    if style is not None:
        found["addressing"] = "path" if _yes(style, False) else "virtual"
    if scheme_of(uri) in ("s3", "oss", "gs") and not secrets:
        found["anonymous"] = "true"
    return Access(uri, found, secrets)


# --- shared


def with_scheme(endpoint: str, *, secure: bool = True) -> str:
    if "://" in endpoint:
        return endpoint
    return f"{'https' if secure else 'http'}://{endpoint}"


def below(uri: str, path: str) -> str:
    """The URI of something further down."""
    return f"{uri.rstrip('/')}/{path.strip('/')}" if path.strip("/") else uri


def _bucket(scheme: str, bucket: str, path: str) -> str:
    return below(f"{scheme}://{bucket}", path)


def _chosen(given: Mapping[str, str], table: Mapping[str, str]) -> dict[str, str]:
    """The first name of the table that is given counts."""
    found: dict[str, str] = {}
    for theirs, ours in table.items():
        if given.get(theirs):
            found.setdefault(ours, given[theirs].strip())
    return found


def _yes(text: str | None, default: bool) -> bool:
    return default if text in (None, "") else str(text).strip().lower() in ("1", "true", "yes")
