"""HTTPS: the certificate for the host that a client names (SNI).

Certificates come from the control plane as text; their keys never touch the disk as files of their own
(Python's ssl wants files: it gets descriptors of memory). A client that names no host, or one that
nobody gave a certificate for, gets the default one and sees by its name whom it talks to.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from typing import Final

from tidegate.gateway.heads import RequestHead
from tidegate.link.gateway import Certificate
from tidegate.routing import host_name

log = logging.getLogger(__name__)

HANDSHAKE_S: Final = 10.0  # a client that says nothing holds a descriptor this long
_PROTOCOLS: Final = ["h2", "http/1.1"]


class Certificates:
    """What there is, by host. `context` is for the listening sockets. Owned by the hub."""

    def __init__(self) -> None:
        self.context = _empty_context()
        self.context.sni_callback = self._choose
        self._known: dict[str, tuple[Certificate, ssl.SSLContext]] = {}
        self._by_host: dict[str, ssl.SSLContext] = {}

    def keys(self) -> set[str]:
        """The keys of those that are known."""
        return set(self._known)

    def put(self, certificate: Certificate) -> None:
        """Offer a certificate. One that can't be read is not offered, and reported."""
        was = self._known.get(certificate.key)
        if was is not None and was[0] == certificate:
            return
        try:
            context = _context(certificate)
        except (ssl.SSLError, ValueError, OSError) as why:
            log.warning("certificate %s can't be used: %s", certificate.key, why)
            self.remove(certificate.key)
            return
        self._known[certificate.key] = certificate, context
        self._index()

    def remove(self, key: str) -> None:
        """Offer it no more; connections that are open stay."""
        if self._known.pop(key, None) is not None:
            self._index()

    def has_own(self, name: str) -> bool:
        """Whether somebody gave a certificate for this very host."""
        found = self.for_host(name)
        return found is not None and found is not self._by_host.get("")

    def for_host(self, name: str | None) -> ssl.SSLContext | None:
        """The one for a host as clients name it: exactly, by wildcard, or the default; None: none."""
        host = (name or "").lower().removesuffix(".")
        parent = host.partition(".")[2]
        for candidate in (host, f"*.{parent}" if parent else "", ""):
            if candidate in self._by_host:
                return self._by_host[candidate]
        return None

    def _index(self) -> None:
        """Where two have the same host, the smaller key has it."""
        self._by_host.clear()
        for key in sorted(self._known, reverse=True):
            certificate, context = self._known[key]
            for host in certificate.hosts:
                self._by_host[host] = context

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext
    ) -> int | None:
        found = self.for_host(name)
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = found
        return None


def https_address(head: RequestHead, ports: Mapping[str, int]) -> str:
    """Where a request that came by plain HTTP goes instead: to port 443 for who named no port, where that
    is ours. `ports`: where HTTPS is offered, by the name of the socket."""
    name = host_name(head.host)
    host = f"[{name}]" if ":" in name else name
    beside = ports.get("gateway-tls", 443)
    names_port = b":" in head.host.rpartition(b"]")[2]
    alone = "ingress-tls" in ports and not names_port
    where = host if alone or beside == 443 else f"{host}:{beside}"
    return f"https://{where}{head.target.decode('latin-1')}"


def _empty_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_PROTOCOLS)
    return context


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = _empty_context()
    files = [_in_memory(certificate.chain), _in_memory(certificate.private_key)]
    try:
        chain, key = (f"/proc/self/fd/{fd}" for fd in files)
        context.load_cert_chain(chain, key, password=_no_password)
    finally:
        for fd in files:
            os.close(fd)
    return context


def _in_memory(text: str) -> int:
    fd = os.memfd_create("tidegate-certificate", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(text.encode())
    return fd


def _no_password() -> str:
    """Without this, OpenSSL would ask on the terminal."""
    raise ValueError("its key is encrypted: give it without a password")
