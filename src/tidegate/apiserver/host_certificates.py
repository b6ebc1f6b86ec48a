"""Certificates for hosts of the gateway, signed by the engine's own authority and kept on disk.

Who trusts the engine's CA (the one in its kubeconfig) trusts them. Each is made once for its hosts and
this CA, and anew when a month of it is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tidegate.apiserver.pki import Pki, soon_over, write_private
from tidegate.kit.clock import Clock


class HostCertificates:
    """Call it with hosts; the certificate and its key, both PEM. Raises ValueError for what is no host."""

    def __init__(self, pki: Pki, clock: Clock) -> None:
        self._pki, self._clock = pki, clock

    def __call__(self, hosts: Sequence[str]) -> tuple[str, str]:
        now_s = self._clock.now()
        certificate, key = self._paths(hosts)
        if not (certificate.exists() and key.exists()) or soon_over(certificate, now_s):
            certificate.parent.mkdir(mode=0o700, exist_ok=True)
            made, made_key = self._pki.issue(hosts, now_s, called=hosts[0])
            write_private(key, made_key)
            write_private(certificate, made)
        return certificate.read_text(), key.read_text()

    def _paths(self, hosts: Sequence[str]) -> tuple[Path, Path]:
        of = hashlib.sha256(self._pki.ca.read_bytes() + "\0".join(hosts).encode()).hexdigest()[:32]
        folder = self._pki.folder / "hosts"
        return folder / f"{of}.crt", folder / f"{of}.key"
