"""networking.k8s.io/v1 Ingress and IngressClass: hosts, paths, backends.

Source: kubernetes pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

import ipaddress
import re

from tidegate.model import labels
from tidegate.model.admission.problems import (
    IMMUTABLE,
    Problems,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
)
from tidegate.model.ingresses import (
    OLD_CLASS,
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressServiceBackend,
)

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_IN_PATH = ("//", "/./", "/../", "%2f", "%2F")
_BAD_AT_END = ("/..", "/.")
_WILDCARD = re.compile(r"\*(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
_NOT_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
    "must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric "
    "character (e.g. '*.example.com')"
)


def check_ingress(ingress: Ingress) -> Problems:
    spec = ingress.spec
    found: Problems = []
    if not spec.rules and spec.default_backend is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        found.append(invalid("spec", spec, detail))
    if spec.default_backend is not None:
        found += _check_backend(spec.default_backend, "spec.defaultBackend")
    for i, rule in enumerate(spec.rules):
        path = f"spec.rules[{i}]"
        found += _check_host(rule.host, f"{path}.host")
        if rule.http is None:
            continue
        if not rule.http.paths:
            found.append(required(f"{path}.http.paths"))
        for j, entry in enumerate(rule.http.paths):
            found += _check_path(entry, f"{path}.http.paths[{j}]")
    for i, tls in enumerate(spec.tls):
        for j, host in enumerate(tls.hosts):
            found += _check_host(host, f"spec.tls[{i}].hosts[{j}]")
    return found + _check_class(ingress)


def _check_class(ingress: Ingress) -> Problems:
    name, old_way = ingress.spec.ingress_class_name, ingress.metadata.annotations.get(OLD_CLASS)
    if name is None:
        return []
    found = each_invalid("spec.ingressClassName", name, labels.dns1123_subdomain(name))
    if old_way is not None:
        detail = "can not be set when the class field is also set"
        found.append(invalid(f"annotations.{OLD_CLASS}", old_way, detail))
    return found


def _check_host(host: str | None, path: str) -> Problems:
    if not host:
        return []
    if _is_address(host):
        return [invalid(path, host, "must be a DNS name, not an IP address")]
    if "*" in host:
        good = _WILDCARD.fullmatch(host) and len(host) <= labels.SUBDOMAIN_MOST
        return [] if good else [invalid(path, host, _NOT_WILDCARD)]
    return each_invalid(path, host, labels.dns1123_subdomain(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_path(entry: HTTPIngressPath, path: str) -> Problems:
    found: Problems = []
    text = entry.path or ""
    if entry.path_type is None:
        found.append(required(f"{path}.pathType", "pathType must be specified"))
    elif entry.path_type not in _PATH_TYPES:
        found.append(not_supported(f"{path}.pathType", entry.path_type, _PATH_TYPES))
    elif not text.startswith("/"):
        if text or entry.path_type != "ImplementationSpecific":
            found.append(invalid(f"{path}.path", text, "must be an absolute path"))
    elif entry.path_type != "ImplementationSpecific":
        for bad in _BAD_IN_PATH:
            if bad in text:
                found.append(invalid(f"{path}.path", text, f"must not contain '{bad}'"))
        for bad in _BAD_AT_END:
            if text.endswith(bad):
                found.append(invalid(f"{path}.path", text, f"cannot end with '{bad}'"))
    return found + _check_backend(entry.backend, f"{path}.backend")


def _check_backend(backend: IngressBackend, path: str) -> Problems:
    if backend.resource is not None:
        detail = "no other kind serves requests on this machine: name a Service in `service`"
        return [forbidden(f"{path}.resource", detail)]
    if backend.service is None:
        return [required(path, "`service` must be given, with a name and a port")]
    return _check_service(backend.service, f"{path}.service")


def _check_service(service: IngressServiceBackend, path: str) -> Problems:
    found: Problems = []
    if not service.name:
        found.append(required(f"{path}.name"))
    else:
        found += each_invalid(f"{path}.name", service.name, labels.dns1035_label(service.name))
    port = service.port
    if port is None or (not port.name and not port.number):
        return [*found, required(f"{path}.port", "port name or number is required")]
    if port.name and port.number:
        return [*found, invalid(path, port, "cannot set both port name & port number")]
    if port.number:
        details = labels.port_number(port.number)
        found += each_invalid(f"{path}.port.number", port.number, details)
    if port.name:
        found += each_invalid(f"{path}.port.name", port.name, labels.port_name(port.name))
    return found


def check_ingress_class(class_: IngressClass) -> Problems:
    controller = class_.spec.controller
    if not controller:
        return [required("spec.controller")]
    found: Problems = []
    if len(controller) > 250:
        found.append(invalid("spec.controller", controller, "must be at most 250 characters"))
    if "/" not in controller:
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        found.append(invalid("spec.controller", controller, detail))
    return found


def check_ingress_class_change(class_: IngressClass, old: IngressClass) -> Problems:
    if class_.spec.controller == old.spec.controller:
        return []
    return [invalid("spec.controller", class_.spec.controller, IMMUTABLE)]
