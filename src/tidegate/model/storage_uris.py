"""URIs of data on other machines, as far as a document can be judged by them. Pure.

What is fetched, and how, is the model cache's business; this says which URIs it is worth asking for.
Source: kserve docs on storage URIs; fluid pkg/common/constants.go (schemes).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: Schemes whose data is fetched into the cache.
BUCKETS = ("s3", "oss", "gs")
FETCHED = (*BUCKETS, "az", "abfs", "abfss", "https", "http", "hf")
#: Schemes that people write and that nothing here reads, with what to do instead.
_NOT_FETCHED = {
    "hdfs": "copy the data to object storage or to a folder of this machine",
    "webhdfs": "copy the data to object storage or to a folder of this machine",
    "oci": "images are not unpacked as models: put the model into object storage or a folder",
    "oci+native": "images are not unpacked as models: put the model into object storage or a folder",
    "oci+fetch": "images are not unpacked as models: put the model into object storage or a folder",
    "modelscope": "download the model to a folder of this machine, or take it from hf://",
}
_HF_NAME = re.compile(r"[\w.-]+/[\w.-]+([:@][^\s/]+)?(/.*)?")


def scheme_of(uri: str) -> str:
    """Lower case; empty for a plain path."""
    scheme, found, _ = uri.partition("://")
    return scheme.lower() if found else ""


def is_fetched(uri: str) -> bool:
    return scheme_of(uri) in FETCHED


def not_fetchable(uri: str) -> str | None:
    """Why data at this URI can't be fetched, with the way out; None: it can be tried."""
    scheme = scheme_of(uri)
    if scheme not in FETCHED:
        way_out = _NOT_FETCHED.get(scheme, f"those that are: {', '.join(FETCHED)}")
        return f"{scheme}:// is not fetched here: {way_out}"
    rest = uri.partition("://")[2]
    if ".." in rest.split("/"):
        return 'must not contain ".."'
    if "\0" in rest or any(char.isspace() for char in rest.split("?")[0].rstrip()):
        return "must not contain white space"
    if scheme == "hf":
        ok = _HF_NAME.fullmatch(rest)
        return None if ok else "names no model: hf://owner/model, or hf://owner/model:revision"
    try:
        parts = urlsplit(uri)
        host = parts.netloc
    except ValueError as why:
        return str(why)
    if scheme not in ("abfs", "abfss") and "@" in host:
        return "must carry no user or password: they belong in a Secret"
    if not host:
        what = "host" if scheme.startswith("http") else "bucket"
        return f"names no {what}: {scheme}://{what}/path"
    return None
