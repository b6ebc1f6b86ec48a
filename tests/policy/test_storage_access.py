"""Endpoints and keys out of KServe's, the volumes' and Fluid's own words."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tidegate.model.accounts import ServiceAccount
from tidegate.model.core import Secret
from tidegate.model.meta import ObjectMeta, ObjectReference
from tidegate.policy.kserve_credentials import credentials_of
from tidegate.policy.storage_access import (
    OSS_DRIVER,
    Access,
    BadAccess,
    of_environment,
    of_mount,
    of_volume,
)

KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush"}
SECRETS = {"access_key_id": "me", "secret_access_key": "hush"}


def secret(name: str = "s", data: dict[str, str] | None = None, **annotations: str) -> Secret:
    said = {f"serving.kserve.io/{key.replace('_', '-')}": v for key, v in annotations.items()}
    encoded = {key: base64.b64encode(v.encode()).decode() for key, v in (data or {}).items()}
    return Secret(metadata=ObjectMeta(name=name, annotations=said), data=encoded)


def env_of(*secrets: Secret) -> dict[str, str]:
    refs = tuple(ObjectReference(name=each.metadata.name) for each in secrets)
    account = ServiceAccount(metadata=ObjectMeta(name="sa"), secrets=refs)
    known = {each.metadata.name: each for each in secrets}
    return credentials_of(account, known.get)


def access(uri: str, *secrets: Secret) -> Access:
    return of_environment(uri, env_of(*secrets))


# --- KServe


def test_an_s3_secret_says_where_and_with_which_keys():
    said = secret(
        data=KEYS,
        s3_endpoint="minio:9000",
        s3_usehttps="0",
        s3_region="eu-1",
        s3_verifyssl="0",
        s3_usevirtualbucket="false",
    )
    found = access("s3://b/m", said)
    assert found.secrets == SECRETS
    assert found.options == {
        "endpoint": "http://minio:9000",
        "region": "eu-1",
        "verify_tls": "false",
        "addressing": "path",
    }


def test_the_endpoint_is_https_unless_said_otherwise():
    assert access("s3://b/m", secret(data=KEYS, s3_endpoint="s3.x")).options == {
        "endpoint": "https://s3.x"
    }


def test_kserves_older_names_of_the_keys_are_read():
    data = {"awsAccessKeyID": "me", "awsSecretAccessKey": "hush"}
    assert access("s3://b/m", secret(data=data)).secrets == SECRETS


def test_an_anonymous_secret_needs_no_keys():
    found = access("s3://b/m", secret(s3_useanoncredential="true", s3_endpoint="x"))
    assert found.options["anonymous"] == "true"


@pytest.mark.parametrize(
    ("uri", "data", "secrets"),
    [
        pytest.param(
            "gs://b/m",
            {"gcloud-application-credentials.json": "{}"},
            {"google_credentials": "{}"},
            id="google",
        ),
        pytest.param("hf://a/b", {"HF_TOKEN": "t"}, {"token": "t"}, id="hugging face"),
        pytest.param(
            "https://h.example/m.zip",
            {"https-host": "h.example", "headers": "a: b"},
            {"headers": "a: b"},
            id="https",
        ),
        pytest.param(
            "https://acct.blob.core.windows.net/c/m",
            {"AZ_CLIENT_ID": "i", "AZ_CLIENT_SECRET": "s", "AZ_TENANT_ID": "t"},
            {"client_id": "i", "client_secret": "s", "tenant_id": "t"},
            id="azure's older names",
        ),
        pytest.param(
            "https://acct.blob.core.windows.net/c/m",
            {"AZURE_STORAGE_ACCESS_KEY": "k"},
            {"account_key": "k"},
            id="azure by account key",
        ),
    ],
)
def test_secrets_of_other_stores(uri, data, secrets):
    assert access(uri, secret(data=data)).secrets == secrets


def test_headers_of_another_host_stay_away():
    found = access("https://h/m", secret(data={"https-host": "other", "headers": "a: b"}))
    assert found.secrets == {}


def test_an_oss_secret_is_kserves_too():
    data = {"OSS_ACCESS_KEY_ID": "me", "OSS_ACCESS_KEY_SECRET": "hush", "OSS_ENDPOINT": "oss-x"}
    found = access("oss://b/m", secret(data=data))
    assert (found.options, found.secrets) == ({"endpoint": "oss-x"}, SECRETS)


def test_of_an_account_with_secrets_of_both_kinds_each_store_is_asked_by_its_own():
    of_s3 = {"AWS_ACCESS_KEY_ID": "you", "AWS_SECRET_ACCESS_KEY": "sh"}
    of_oss = {"OSS_ACCESS_KEY_ID": "me", "OSS_ACCESS_KEY_SECRET": "hush", "OSS_ENDPOINT": "oss-x"}
    both = (
        secret("s3", data=of_s3, s3_endpoint="minio:9000"),
        secret("oss", data=of_oss),
    )
    assert access("oss://b/m", *both).options["endpoint"] == "oss-x"
    assert access("oss://b/m", *both).secrets == SECRETS
    assert access("s3://b/m", *both).options["endpoint"] == "https://minio:9000"
    assert access("s3://b/m", *both).secrets["access_key_id"] == "you"


@pytest.mark.parametrize("name", ["s3_useaccelerate", "s3_cabundle_configmap"])
def test_what_cannot_be_honoured_is_refused_by_its_name(name):
    with pytest.raises(BadAccess, match=name.replace("_", "-")):
        access("s3://b/m", secret(data=KEYS, **{name: "true"}))


def test_secrets_are_in_no_repr():
    assert "hush" not in repr(access("s3://b/m", secret(data=KEYS)))


def by_key(config: str, override: str | None = None) -> Access:
    env = {"STORAGE_CONFIG": config} | ({"STORAGE_OVERRIDE_CONFIG": override} if override else {})
    return of_environment("<scheme-placeholder>://iris/v1", env)


def test_a_storage_key_names_type_and_bucket():
    config = (
        '{"type": "s3", "bucket": "b", "endpoint_url": "http://m:9", "region": "r",'
        ' "access_key_id": "me", "secret_access_key": "hush"}'
    )
    found = by_key(config, '{"bucket": "other"}')
    assert found.uri == "s3://other/iris/v1"
    assert found.options == {"endpoint": "http://m:9", "region": "r"}
    assert found.secrets == SECRETS


@pytest.mark.parametrize(("config", "why"), [("hush", "JSON object"), ("{}", "names no bucket")])
def test_a_storage_config_that_makes_no_sense_is_not_quoted(config, why):
    with pytest.raises(BadAccess, match=why) as raised:
        by_key(config)
    assert "hush" not in str(raised.value)


# --- volumes


def oss(keys: dict[str, str] | None = None, **attributes: str) -> Access:
    given: dict[str, Any] = {"bucket": "b", "url": "oss-x.aliyuncs.com", **attributes}
    return of_volume(OSS_DRIVER, "pv", {k: v for k, v in given.items() if v}, keys or {})


def test_an_oss_volume_is_its_bucket_and_path():
    found = oss(akId="me", akSecret="hush", path="/a/b/")
    assert found == Access("oss://b/a/b", {"endpoint": "oss-x.aliyuncs.com"}, SECRETS)


def test_an_oss_volume_without_keys_is_public():
    assert oss().options["anonymous"] == "true"


@pytest.mark.parametrize(
    ("attributes", "field"),
    [({"bucket": ""}, "bucket"), ({"url": ""}, "url"), ({"akId": "me"}, "akId and akSecret")],
)
def test_an_oss_volume_that_lacks_something_names_the_field(attributes, field):
    with pytest.raises(BadAccess, match=field):
        oss(**attributes)


def test_s3_volumes_have_their_keys_in_a_secret():
    keys = {"accessKeyID": "me", "secretAccessKey": "hush", "endpoint": "http://m:9"}
    found = of_volume("ru.yandex.s3.csi", "b/models", {}, keys)
    assert found == Access("s3://b/models", {"endpoint": "http://m:9"}, SECRETS)
    aws = of_volume(
        "s3.csi.aws.com", "any", {"bucketName": "b"}, {"key_id": "me", "access_key": "hush"}
    )
    assert aws == Access("s3://b", {}, SECRETS)


# --- Fluid


@pytest.mark.parametrize(
    "options",
    [
        {"fs.oss.endpoint": "e", "fs.oss.accessKeyId": "me", "fs.oss.accessKeySecret": "hush"},
        {"fs.s3.endpoint": "e", "fs.s3.accessKeyId": "me", "fs.s3.accessKeySecret": "hush"},
        {"alluxio.underfs.s3.endpoint": "e", "aws.accessKeyId": "me", "aws.secretKey": "hush"},
    ],
)
def test_jindos_and_alluxios_words_mean_the_same(options):
    assert of_mount("s3://b/m", options) == Access("s3://b/m", {"endpoint": "e"}, SECRETS)


def test_a_mount_without_keys_is_public():
    assert of_mount("s3://b/m", {}).options == {"anonymous": "true"}


def test_the_style_of_a_buckets_address_can_be_said():
    options = {"alluxio.underfs.s3.disable.dns.buckets": "true"}
    assert of_mount("s3://b/m", options).options["addressing"] == "path"
