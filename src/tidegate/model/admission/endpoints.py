"""Endpoints and EndpointSlices: addresses and ports that somebody wrote by hand.

Source: kubernetes pkg/apis/core/validation (`ValidateEndpoints`), pkg/apis/discovery/validation.
"""

from __future__ import annotations

import ipaddress

from tidegate.model import labels
from tidegate.model.admission.problems import (
    IMMUTABLE,
    Problems,
    each_invalid,
    invalid,
    not_supported,
    required,
)
from tidegate.model.endpoints import Endpoints, EndpointSlice

_FAMILIES = ("FQDN", "IPv4", "IPv6")
_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def check_endpoints(endpoints: Endpoints) -> Problems:
    found: Problems = []
    for i, subset in enumerate(endpoints.subsets):
        path = f"subsets[{i}]"
        if not subset.addresses and not subset.not_ready_addresses:
            found.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field, addresses in (
            ("addresses", subset.addresses),
            ("notReadyAddresses", subset.not_ready_addresses),
        ):
            for j, address in enumerate(addresses):
                if not _is_ip(address.ip):
                    found.append(invalid(f"{path}.{field}[{j}].ip", address.ip, _NO_ADDRESS))
        for j, port in enumerate(subset.ports):
            details = labels.port_number(port.port)
            found += each_invalid(f"{path}.ports[{j}].port", port.port, details)
            if not port.name and len(subset.ports) > 1:
                found.append(required(f"{path}.ports[{j}].name"))
    return found


def check_slice(slice_: EndpointSlice) -> Problems:
    found: Problems = []
    if not slice_.address_type:
        found.append(required("addressType"))
    elif slice_.address_type not in _FAMILIES:
        found.append(not_supported("addressType", slice_.address_type, _FAMILIES))
    for i, endpoint in enumerate(slice_.endpoints):
        path = f"endpoints[{i}].addresses"
        if not endpoint.addresses:
            found.append(required(path, "must contain at least 1 address"))
        if slice_.address_type != "FQDN":
            found += [
                invalid(f"{path}[{j}]", address, _NO_ADDRESS)
                for j, address in enumerate(endpoint.addresses)
                if not _is_ip(address)
            ]
    for i, port in enumerate(slice_.ports):
        if port.port is not None:
            details = labels.port_number(port.port)
            found += each_invalid(f"ports[{i}].port", port.port, details)
    return found


def check_slice_change(slice_: EndpointSlice, old: EndpointSlice) -> Problems:
    if slice_.address_type == old.address_type:
        return []
    return [invalid("addressType", slice_.address_type, IMMUTABLE)]


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
