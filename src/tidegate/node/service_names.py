"""Names that a cluster's DNS would know, as the gateway's address: no DNS here knows Services.

`http://web.default.svc.cluster.local/x` becomes `http://127.0.0.1:8080/default/web/x`, which the
gateway takes (docs/plain-kubernetes.md). Only names that end in `.svc` or `.svc.cluster.local` in an
`http://` URL, because nothing else has them; and the value of KServe's `--predictor_host`, which is
`NAME.NAMESPACE` and which KServe's servers put behind `http://`. Pure.
"""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = rf"(?P<name>{_LABEL})\.(?P<space>{_LABEL})"
_PORT = r"(?P<port>:\d{1,5})?"
_URL = re.compile(rf"http://{_NAME}\.svc(?:\.cluster\.local)?{_PORT}(?P<rest>[/?].*)?", re.DOTALL)
_HOST = re.compile(rf"{_NAME}(?:\.svc(?:\.cluster\.local)?)?{_PORT}")
_HOST_FLAGS = {"--predictor_host", "--predictor-host"}


def url_by_gateway(value: str, gateway: str | None) -> str:
    """`gateway` is its `host:port`; None: it is not known, and everything stays as it is."""
    hit = _URL.fullmatch(value) if gateway else None
    if hit is None:
        return value
    rest = hit["rest"] or ""
    return f"http://{gateway}{_path(hit)}{'/' if rest.startswith('?') else ''}{rest}"


def host_by_gateway(flag: str, value: str, gateway: str | None) -> str:
    """The same for the value of a flag that takes a host without `http://`."""
    hit = _HOST.fullmatch(value) if gateway and flag in _HOST_FLAGS else None
    return value if hit is None else f"{gateway}{_path(hit)}"


def _path(hit: re.Match[str]) -> str:
    """The port that HTTP has anyway is left out: a Knative Service has no other."""
    port = hit["port"] if hit["port"] not in (None, ":80") else ""
    return f"/{hit['space']}/{hit['name']}{port}"
