"""networking.istio.io: what Istio's webhook refuses, and what one gateway can't do.

Source: istio pkg/config/validation/validation.go (its sentences where it has some).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tidegate.model import labels
from tidegate.model.admission.problems import (
    Problems,
    each_invalid,
    forbidden,
    invalid,
    required,
)
from tidegate.model.istio import (
    MESH,
    DestinationRule,
    Gateway,
    Headers,
    HTTPMatchRequest,
    HTTPRoute,
    StringMatch,
    VirtualService,
)

_HOST: Final = re.compile(
    r"\*|(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_ROUTE: Mapping[str, tuple[str, str]] = {
    "redirect": ("redirect", "name a destination in `route`"),
    "direct_response": ("directResponse", "name a destination in `route`"),
    "delegate": ("delegate", "write its routes into this VirtualService"),
    "fault": ("fault", "no faults are made here: leave it out"),
    "mirror": ("mirror", "the annotation tidegate.dev/shadow of a Knative Service mirrors"),
    "mirrors": ("mirrors", "the annotation tidegate.dev/shadow of a Knative Service mirrors"),
    "mirror_percent": ("mirrorPercent", "nothing is mirrored here"),
    "mirror_percentage": ("mirrorPercentage", "nothing is mirrored here"),
}
_MATCH: Mapping[str, tuple[str, str]] = {
    "gateways": ("gateways", "one gateway serves all: leave it out"),
    "scheme": ("scheme", "HTTP and HTTPS go the same way: leave it out"),
    "authority": ("authority", "give each host its own VirtualService"),
    "port": ("port", "give each port its own host"),
    "source_labels": ("sourceLabels", "callers' pods are not known here: leave it out"),
    "source_namespace": ("sourceNamespace", "callers' pods are not known here: leave it out"),
    "query_params": ("queryParams", "match on the path or a header instead"),
}


def check_virtual_service(service: VirtualService) -> Problems:
    """Everything that is wrong with it, by path."""
    spec = service.spec
    found: Problems = []
    if not spec.hosts:
        found.append(required("spec.hosts", "virtual service must have at least one host"))
    in_mesh = not spec.gateways or MESH in spec.gateways
    for i, host in enumerate(spec.hosts):
        path = f"spec.hosts[{i}]"
        if not _HOST.fullmatch(host):
            found.append(invalid(path, host, "not a host name, `*.domain` or `*`"))
        elif host == "*" and in_mesh:
            detail = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
            found.append(invalid(path, host, detail))
    if len(set(spec.hosts)) != len(spec.hosts):
        found.append(invalid("spec.hosts", list(spec.hosts), "duplicate hosts in virtual service"))
    for field in ("tls", "tcp"):
        if getattr(spec, field) is not None:
            detail = "the gateway routes HTTP (and gRPC): write the routes under `http`"
            found.append(forbidden(f"spec.{field}", detail))
    if not spec.http:
        found.append(required("spec.http", "http, tcp or tls must be provided in virtual service"))
    for i, route in enumerate(spec.http):
        found += _check_route(route, f"spec.http[{i}]")
    return found


def _check_route(route: HTTPRoute, path: str) -> Problems:
    found = [
        forbidden(f"{path}.{name}", why)
        for field, (name, why) in _ROUTE.items()
        if getattr(route, field) is not None
    ]
    if not route.route and not found:
        found.append(required(f"{path}.route", "HTTP route needs a destination"))
    for i, match in enumerate(route.match):
        found += _check_match(match, f"{path}.match[{i}]")
    total = 0
    for i, one in enumerate(route.route):
        here = f"{path}.route[{i}]"
        destination = one.destination
        total += one.weight or 0
        if not destination.host:
            found.append(required(f"{here}.destination.host", "destination host is needed"))
        if (one.weight or 0) < 0:
            found.append(invalid(f"{here}.weight", one.weight, "weight must not be negative"))
        if destination.port is not None:
            number = destination.port.number
            details = labels.port_number(number)
            found += each_invalid(f"{here}.destination.port.number", number, details)
        if destination.subset:
            details = labels.dns1123_label(destination.subset)
            found += each_invalid(f"{here}.destination.subset", destination.subset, details)
        found += _check_headers(one.headers, f"{here}.headers")
    if len(route.route) > 1 and total == 0:
        found.append(invalid(f"{path}.route", None, "total destination weight = 0"))
    found += _check_headers(route.headers, f"{path}.headers")
    if route.rewrite is not None:
        if route.rewrite.authority:
            detail = "the Host that the client sent is kept: leave it out"
            found.append(forbidden(f"{path}.rewrite.authority", detail))
        if route.rewrite.uri_regex_rewrite is not None:
            detail = "write `uri`, with a match on `exact` or `prefix`"
            found.append(forbidden(f"{path}.rewrite.uriRegexRewrite", detail))
        if route.rewrite.uri and any(m.uri is not None and m.uri.regex for m in route.match):
            detail = "what a regex matched can't be rewritten here: match on `exact` or `prefix`"
            found.append(forbidden(f"{path}.rewrite.uri", detail))
    return found


def _check_match(match: HTTPMatchRequest, path: str) -> Problems:
    found = [
        forbidden(f"{path}.{name}", why)
        for field, (name, why) in _MATCH.items()
        if getattr(match, field) is not None
    ]
    if match.ignore_uri_case:
        found.append(forbidden(f"{path}.ignoreUriCase", "paths are compared as written"))
    for name, condition in _conditions(match):
        said = [v for v in (condition.exact, condition.prefix, condition.regex) if v is not None]
        if len(said) > 1:
            found.append(invalid(f"{path}.{name}", None, "give one of exact, prefix and regex"))
        if condition.regex is not None:
            try:
                re.compile(condition.regex)
            except (re.error, OverflowError, RecursionError) as why:
                detail = f"not a regular expression: {why}"
                found.append(invalid(f"{path}.{name}.regex", condition.regex, detail))
    return found


def _conditions(match: HTTPMatchRequest) -> Iterator[tuple[str, StringMatch]]:
    for name, condition in (("uri", match.uri), ("method", match.method)):
        if condition is not None:
            yield name, condition
    for field, conditions in (
        ("headers", match.headers),
        ("withoutHeaders", match.without_headers),
    ):
        for name, condition in conditions.items():
            yield f"{field}[{name}]", condition


def _check_headers(headers: Headers | None, path: str) -> Problems:
    found: Problems = []
    if headers is None:
        return found
    if headers.response is not None:
        found.append(forbidden(f"{path}.response", "answers are passed on as they come"))
    if headers.request is not None:
        for field in ("set", "remove"):
            if getattr(headers.request, field):
                found.append(
                    forbidden(f"{path}.request.{field}", "headers are only added here: use `add`")
                )
    return found


def check_destination_rule(rule: DestinationRule) -> Problems:
    """Everything that is wrong with it, by path."""
    found: Problems = []
    if not rule.spec.host:
        found.append(required("spec.host", "the host of a Service"))
    seen: set[str] = set()
    for i, subset in enumerate(rule.spec.subsets):
        path = f"spec.subsets[{i}]"
        found += each_invalid(f"{path}.name", subset.name, labels.dns1123_label(subset.name))
        if subset.name in seen:
            found.append(invalid(f"{path}.name", subset.name, "another subset has this name"))
        seen.add(subset.name)
    return found


def check_gateway(gateway: Gateway) -> Problems:
    """Everything that is wrong with it, by path."""
    found: Problems = []
    if not gateway.spec.servers:
        found.append(required("spec.servers", "gateway must have at least one server"))
    for i, server in enumerate(gateway.spec.servers):
        path = f"spec.servers[{i}]"
        if not server.hosts:
            found.append(required(f"{path}.hosts", "server config must contain at least one host"))
        if not server.port.number:
            found.append(required(f"{path}.port.number", "port is required"))
        if server.port.protocol.upper() not in ("HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB"):
            detail = "the gateway serves HTTP, HTTPS, HTTP2 and GRPC"
            found.append(invalid(f"{path}.port.protocol", server.port.protocol, detail))
    return found
