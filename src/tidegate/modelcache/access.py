"""`Access` from the variables that KServe, the AWS tools and Hugging Face use. Pure.

Source: KServe's storage initializer and its credential builders (S3, GCS, Azure, HF); AWS' own names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tidegate.modelcache.errors import BadSource
from tidegate.modelcache.source import Access, Secrets

_ENDPOINT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")


def access_from_env(env: Mapping[str, str]) -> Access:
    """How to get at a store, read off environment variables; what isn't there has its default.

    `GOOGLE_APPLICATION_CREDENTIALS_JSON` holds the text of a key file (the file itself is read by
    whoever has one). `HTTPS_HEADERS` is a JSON object or lines of `Name: value`. Raises `BadSource`.
    """
    endpoint = next((env[name] for name in _ENDPOINT if env.get(name)), "")
    if endpoint and "://" not in endpoint:
        scheme = "http" if _off(env, "S3_USE_HTTPS") else "https"
        endpoint = f"{scheme}://{endpoint}"
    virtual = env.get("S3_USE_VIRTUAL_BUCKET") or env.get("S3_USER_VIRTUAL_BUCKET")
    return Access(
        endpoint=endpoint or env.get("HF_ENDPOINT", ""),
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION", ""),
        virtual_hosted=None if not virtual else _true(virtual),
        anonymous=_true(env.get("awsAnonymousCredential", ""))
        or _true(env.get("AWS_NO_SIGN_REQUEST", "")),
        verify_tls=not _off(env, "S3_VERIFY_SSL"),
        ca_file=env.get("AWS_CA_BUNDLE") or env.get("CA_BUNDLE", ""),
        account=env.get("AZURE_STORAGE_ACCOUNT", ""),
        tenant_id=_first(env, "AZURE_TENANT_ID", "AZ_TENANT_ID"),
        client_id=_first(env, "AZURE_CLIENT_ID", "AZ_CLIENT_ID"),
        secrets=Secrets(
            access_key=env.get("AWS_ACCESS_KEY_ID", ""),
            secret_key=env.get("AWS_SECRET_ACCESS_KEY", ""),
            session_token=env.get("AWS_SESSION_TOKEN", ""),
            gcs_json=env.get("GOOGLE_APPLICATION_CREDENTIALS_JSON", ""),
            account_key=_first(env, "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"),
            sas_token=_first(env, "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
            client_secret=_first(env, "AZURE_CLIENT_SECRET", "AZ_CLIENT_SECRET"),
            token=_first(env, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
            headers=headers_of(env.get("HTTPS_HEADERS", "")),
        ),
    )


def headers_of(text: str) -> tuple[tuple[str, str], ...]:
    """Request headers as KServe's https secrets write them: a JSON object, or `Name: value` lines.

    Raises `BadSource`, which never repeats the text.
    """
    text = text.strip()
    if not text:
        return ()
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as why:
            raise BadSource("headers: not a JSON object") from why
        return tuple((str(name), str(value)) for name, value in found.items())
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    if any(not colon for _, colon, _ in pairs):
        raise BadSource("headers: lines of `Name: value`, or one JSON object")
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _first(env: Mapping[str, str], *names: str) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _true(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on")


def _off(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() in ("0", "false", "no", "off")
