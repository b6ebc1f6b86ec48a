"""Signatures, by the example of Amazon's documentation."""

from __future__ import annotations

from datetime import UTC, datetime

from tidegate.modelcache.sigv4 import query_of, quoted, signed_headers
from tidegate.modelcache.source import Secrets

SECRETS = Secrets(
    access_key="AKIAIOSFODNN7EXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)
NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()


def test_a_ranged_get_is_signed_as_in_the_documentation() -> None:
    headers = signed_headers(
        "https://examplebucket.s3.amazonaws.com/test.txt",
        SECRETS,
        region="us-east-1",
        now_s=NOW,
        headers={"Range": "bytes=0-9"},
    )
    assert headers["authorization"].endswith(
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_listing_is_signed_as_in_the_documentation() -> None:
    query = query_of({"prefix": "J", "max-keys": "2"})
    headers = signed_headers(
        f"https://examplebucket.s3.amazonaws.com/?{query}",
        SECRETS,
        region="us-east-1",
        now_s=NOW,
    )
    assert headers["authorization"].endswith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def test_keys_are_quoted_as_the_signature_wants_them() -> None:
    assert quoted("a b/ü+~.bin") == "a%20b/%C3%BC%2B~.bin"
    assert query_of({"b": "x/y", "a": " "}) == "a=%20&b=x%2Fy"
