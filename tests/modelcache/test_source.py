"""URIs and how to get at what they name."""

from __future__ import annotations

import pytest

from tidegate.modelcache.access import access_from_env, headers_of
from tidegate.modelcache.errors import BadSource
from tidegate.modelcache.jobs import Job, decode_job, encode
from tidegate.modelcache.source import Access, Kind, Secrets, Source


@pytest.mark.parametrize(
    ("uri", "kind", "bucket", "path"),
    [
        ("s3://models/iris/v1", Kind.S3, "models", "iris/v1"),
        ("gs://models/", Kind.GCS, "models", ""),
        ("az://box/iris", Kind.AZURE, "box", "iris"),
        ("abfss://box@acc.dfs.core.windows.net/iris", Kind.AZURE, "box", "iris"),
        ("https://acc.blob.core.windows.net/box/a/b", Kind.AZURE, "box", "a/b"),
        ("https://host:8443/a/b.bin", Kind.HTTP, "host:8443", "a/b.bin"),
        ("hf://owner/model:v2", Kind.HF, "", ""),
        ("hf://owner/model/sub", Kind.HF, "", "sub"),
        ("file:///models/iris", Kind.FILE, "", "/models/iris"),
        ("/models//iris/", Kind.FILE, "", "/models/iris"),
    ],
)
def test_a_uri_is_taken_apart(uri: str, kind: Kind, bucket: str, path: str) -> None:
    source = Source(uri, Access(account="acc"))
    assert (source.kind, source.bucket, source.path) == (kind, bucket, path)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "is no URI"),
        ("s3:///iris", "names no bucket"),
        ("s3://models/../other", "must not contain"),
        ("s3://models/%2e%2e/other", "must not contain"),
        ("ftp://host/model", "is not fetched here"),
        ("models/iris", "a path must be absolute"),
        ("https://user:secret@host/m", "belong in a Secret"),
        ("az://box/iris", "names no storage account"),
        ("hf://model", "names no model"),
        ("s3://models/a\nb", "is no URI"),
    ],
)
def test_a_uri_that_makes_no_sense_is_refused_in_words(uri: str, words: str) -> None:
    with pytest.raises(BadSource, match=words) as why:
        Source(uri)
    assert "secret@" not in str(why.value)


def test_oss_is_asked_by_its_s3_api_with_the_bucket_in_the_host() -> None:
    source = Source("oss://models/iris", Access(endpoint="oss-cn-beijing-internal.aliyuncs.com"))
    assert source.bucket_url == "https://models.oss-cn-beijing-internal.aliyuncs.com"
    assert source.region == "oss-cn-beijing"
    with pytest.raises(BadSource, match="needs the bucket's endpoint"):
        _ = Source("oss://models/iris").endpoint


@pytest.mark.parametrize(
    ("access", "url"),
    [
        (Access(), "https://models.s3.us-east-1.amazonaws.com"),
        (Access(region="eu-west-1"), "https://models.s3.eu-west-1.amazonaws.com"),
        (Access(endpoint="http://127.0.0.1:9000/"), "http://127.0.0.1:9000/models"),
        (Access(endpoint="minio.local:9000"), "https://minio.local:9000/models"),
        (Access(endpoint="minio.local", virtual_hosted=True), "https://models.minio.local"),
    ],
)
def test_the_bucket_is_addressed_as_the_endpoint_wants_it(access: Access, url: str) -> None:
    assert Source("s3://models/iris", access).bucket_url == url


def test_the_same_model_has_the_same_key_whoever_asks_and_another_store_another() -> None:
    near = Access(endpoint="http://a")
    mine = Source("s3://models/iris", Access(endpoint="http://a", secrets=Secrets(access_key="me")))
    assert mine.key == Source("s3://models/iris", near).key
    assert mine.key != Source("s3://models/iris", Access(endpoint="http://b")).key
    assert mine.key != Source("s3://models/iris-2", near).key
    assert Source("hf://a/b", near).key != Source("hf://a/b:v2", near).key


def test_secrets_are_in_no_repr_and_no_shown_uri() -> None:
    secret = "do-not-show"
    access = Access(secrets=Secrets(access_key=secret, secret_key=secret, token=secret))
    source = Source(f"https://host/m.bin?sig={secret}", access)
    job = Job("fetch", "/cache", uri=source.uri, access=access)
    assert secret not in repr(access)
    assert secret not in source.shown
    assert decode_job(encode(job)).access.secrets.token == secret
    assert "secret_key" in repr(access.secrets)


def test_the_variables_of_kserve_secrets_say_how_to_get_at_a_store() -> None:
    access = access_from_env(
        {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL": "minio:9000",
            "S3_USE_HTTPS": "0",
            "S3_VERIFY_SSL": "0",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "S3_USER_VIRTUAL_BUCKET": "true",
            "awsAnonymousCredential": "false",
        }
    )
    assert access.endpoint == "http://minio:9000"
    assert (access.region, access.virtual_hosted) == ("eu-west-1", True)
    assert (access.verify_tls, access.anonymous) == (False, False)


def test_headers_come_as_json_or_as_lines() -> None:
    assert headers_of('{"X-Token": "a"}') == (("X-Token", "a"),)
    assert headers_of("X-Token: a\nAccept: b\n") == (("X-Token", "a"), ("Accept", "b"))
    with pytest.raises(BadSource) as why:
        headers_of("secret text")
    assert "secret text" not in str(why.value)
