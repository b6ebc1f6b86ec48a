"""The credentials that KServe takes from the Secrets of a pod's ServiceAccount. Pure.

KServe's webhook writes them into the pod as environment of its storage initializer. Here the node agent
asks for them when it fetches, so a Secret that is mended or rotated counts at the next try, and no key
stands in a pod. Source: kserve pkg/credentials (service_account_credentials.go, s3, azure, hf, https, oss).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

from tidegate.model import kserve_names as names
from tidegate.model.accounts import ServiceAccount
from tidegate.model.core import Secret

DEFAULT_ACCOUNT = "default"
_GCLOUD = "gcloud-application-credentials.json"
_AZURE = ("SUBSCRIPTION_ID", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")
_AZURE_MORE = (
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_ACCOUNT_NAME",
    "AZURE_SERVICE_URL",
)
_OSS = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_ENDPOINT", "OSS_REGION")
#: Annotations of an S3 Secret (or of the account itself) -> what KServe calls them in the environment.
_S3_ANNOTATIONS = {
    "s3-region": "AWS_DEFAULT_REGION",
    "s3-verifyssl": "S3_VERIFY_SSL",
    "s3-usevirtualbucket": "S3_USER_VIRTUAL_BUCKET",
    "s3-useaccelerate": "S3_USE_ACCELERATE",
    "s3-useanoncredential": "awsAnonymousCredential",
    "s3-cabundle": "AWS_CA_BUNDLE",
    "s3-cabundle-configmap": "AWS_CA_BUNDLE_CONFIGMAP",
}
#: The keys' names: as KServe's shipped configuration has them, and as its code has them.
_S3_KEYS = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("awsAccessKeyID", "awsSecretAccessKey"),
)


def credentials_of(
    account: ServiceAccount | None, secret_of: Callable[[str], Secret | None]
) -> dict[str, str]:
    """The environment of the storage initializer. Secrets that are not there are skipped, as in KServe."""
    if account is None:
        return {}
    env = _s3_settings(account.metadata.annotations)
    for ref in account.secrets:
        secret = secret_of(ref.name or "")
        if secret is not None:
            env |= _of_secret(secret)
    return env


def secret_values(secret: Secret) -> dict[str, str]:
    """A Secret's keys as text; what is no text or no base64 is left out."""
    found = dict(secret.string_data)
    for key, value in secret.data.items():
        try:
            found[key] = base64.b64decode(value).decode()
        except (binascii.Error, ValueError):
            continue
    return found


def _of_secret(secret: Secret) -> dict[str, str]:
    data = secret_values(secret)
    for id_, key in _S3_KEYS:
        if key in data:
            env = {"AWS_ACCESS_KEY_ID": data.get(id_, ""), "AWS_SECRET_ACCESS_KEY": data[key]}
            if data.get("AWS_SESSION_TOKEN"):
                env["AWS_SESSION_TOKEN"] = data["AWS_SESSION_TOKEN"]
            return env | _s3_settings(secret.metadata.annotations)
    if _OSS[1] in data:
        return {name: data[name] for name in _OSS if data.get(name)}
    if _GCLOUD in data:
        return {"GOOGLE_CREDENTIALS": data[_GCLOUD]}
    if any(f"{prefix}_CLIENT_SECRET" in data for prefix in ("AZURE", "AZ")) or any(
        name in data for name in _AZURE_MORE
    ):
        return _azure(data)
    if "https-host" in data and "headers" in data:
        return {f"{data['https-host'].strip()}-headers": data["headers"]}
    if "HF_TOKEN" in data:
        return {"HF_TOKEN": data["HF_TOKEN"]}
    return _s3_settings(secret.metadata.annotations)  # anonymous S3: no keys, only where


def _azure(data: Mapping[str, str]) -> dict[str, str]:
    env = {name: data[name] for name in _AZURE_MORE if data.get(name)}
    for name in _AZURE:
        value = data.get(f"AZ_{name}") or data.get(f"AZURE_{name}")
        if value:
            env[f"AZURE_{name}"] = value
    return env


def _s3_settings(annotations: Mapping[str, str]) -> dict[str, str]:
    said = {
        key.removeprefix(f"{names.GROUP}/"): value
        for key, value in annotations.items()
        if key.startswith(f"{names.GROUP}/s3-")
    }
    env = {ours: said[key] for key, ours in _S3_ANNOTATIONS.items() if key in said}
    endpoint = said.get("s3-endpoint")
    if endpoint:
        secure = said.get("s3-usehttps", "1") != "0"
        scheme = "https" if secure else "http"
        env["AWS_ENDPOINT_URL"] = endpoint if "://" in endpoint else f"{scheme}://{endpoint}"
    return env
