"""A certificate authority of our own, a server certificate and the token of the one client.

All in one folder that only this user can read. The CA lasts ten years; the server certificate one,
and is made anew when a month of it is left. Deleting the folder makes everything anew, and
kubeconfigs handed out before stop working.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS, _SERVER_DAYS, _RENEW_DAYS = 3650, 365, 30
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_ADDRESSES = ("127.0.0.1", "::1")
_SKEW = timedelta(hours=1)  # clocks that step must not make a fresh certificate invalid


class PkiError(Exception):
    """A file in the folder is not what it should be."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(
            f"{path}: {problem}. Delete the folder {path.parent} and start again: it is made "
            "anew (kubeconfigs copied elsewhere must then be copied again)"
        )


@dataclass(frozen=True, slots=True)
class Pki:
    """The paths, and the client's token."""

    folder: Path
    token: str

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    def renew(self, now_s: float) -> bool:
        """Make the server certificate anew if it is missing or soon over; whether it was."""
        whole = self.certificate.exists() and self.key.exists()
        if whole and not soon_over(self.certificate, now_s):
            return False
        _make_server(self, datetime.fromtimestamp(now_s, UTC))
        return True

    def issue(self, hosts: Sequence[str], now_s: float, *, called: str) -> tuple[bytes, bytes]:
        """A new certificate for these names and addresses, and its key, both PEM; it lasts a year.

        Raises ValueError for what can't be a host.
        """
        ca, ca_key = _certificate(self.ca), _private_key(self.ca_key)
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.fromtimestamp(now_s, UTC)
        names = [_alternative(host) for host in hosts]
        of_ca = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(called[:64]))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + timedelta(days=_SERVER_DAYS))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(of_ca, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def open_pki(folder: Path, now_s: float) -> Pki:
    """What is in the folder, made where it is missing or over. Raises PkiError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pki = Pki(folder, _token(folder / "token"))
    now = datetime.fromtimestamp(now_s, UTC)
    whole = pki.ca.exists() and pki.ca_key.exists()
    if not whole or _certificate(pki.ca).not_valid_after_utc < now + timedelta(days=_SERVER_DAYS):
        _make_ca(pki, now)
        pki.certificate.unlink(missing_ok=True)
    pki.renew(now_s)
    return pki


def soon_over(certificate: Path, now_s: float) -> bool:
    """Whether a certificate should be made anew: less than a month of it is left. Raises PkiError."""
    left = _certificate(certificate).not_valid_after_utc - datetime.fromtimestamp(now_s, UTC)
    return left <= timedelta(days=_RENEW_DAYS)


def write_private(path: Path, content: bytes) -> None:
    """Write a file in one step, readable by this user only: a reader sees the old or the new.

    One writer at a time; what one left half written who was killed, secrets perhaps, is removed.
    """
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp makes it 0600
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _token(path: Path) -> str:
    if path.exists():
        token = path.read_text().strip()
        if not token:
            raise PkiError(path, "the token is empty")
        return token
    token = secrets.token_urlsafe(32)
    write_private(path, token.encode())
    return token


def _make_ca(pki: Pki, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"tidegate-ca-{secrets.token_hex(4)}")  # unlike names: no mix-up after a reset
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(pki.ca_key, _pem(key))
    write_private(pki.ca, certificate.public_bytes(serialization.Encoding.PEM))


def _make_server(pki: Pki, now: datetime) -> None:
    certificate, key = pki.issue((*_NAMES, *_ADDRESSES), now.timestamp(), called="tidegate")
    write_private(pki.key, key)
    write_private(pki.certificate, certificate)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as why:
        raise PkiError(path, "this is not a certificate") from why


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as why:
        raise PkiError(path, "this is not a private key") from why
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(path, "this is not an EC private key")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
