"""AWS Signature Version 4 for GET requests. Pure: the time comes in.

Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, whose example the tests repeat.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from tidegate.modelcache.source import Secrets

_EMPTY = hashlib.sha256(b"").hexdigest()


def signed_headers(
    url: str,
    secrets: Secrets,
    *,
    region: str,
    now_s: float,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers to send with a request for `url` (its path quoted already, query `a=b&c=d`).

    `headers` are signed too and come back with the others, `Host` excepted.
    """
    parts = urlsplit(url)
    stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    all_headers = {
        "host": parts.netloc,
        **{name.lower(): value.strip() for name, value in (headers or {}).items()},
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": stamp,
    }
    if secrets.session_token:
        all_headers["x-amz-security-token"] = secrets.session_token
    names = ";".join(sorted(all_headers))
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            query,
            *(f"{name}:{all_headers[name]}" for name in sorted(all_headers)),
            "",
            names,
            _EMPTY,
        )
    )
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{secrets.secret_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    sent = {name: value for name, value in all_headers.items() if name != "host"}
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={secrets.access_key}/{scope},"
        f"SignedHeaders={names},Signature={signature}"
    )
    return sent


def quoted(key: str) -> str:
    """A key as SigV4 wants it in a path."""
    return quote(key, safe="/-_.~")


def query_of(pairs: Mapping[str, str]) -> str:
    """A query string as SigV4 wants it: sorted, everything but unreserved letters quoted."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(pairs.items())
    )
