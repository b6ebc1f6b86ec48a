"""Gives the gateway the certificates that hosts want shown: those of Secrets, and some made here.

One controller for each kind that can want one. A Secret that is missing or makes no sense is told in an
Event; its hosts then show the gateway's default certificate, as behind nginx.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tidegate.client.api import Api
from tidegate.client.events import WARNING, EventRecorder
from tidegate.ingress.table import GatewayTable
from tidegate.ingress.tls_wants import Want, of_ingress, of_mapping, of_route
from tidegate.kit.clock import Clock
from tidegate.link.gateway import Certificate
from tidegate.model import networking
from tidegate.model.core import Secret
from tidegate.model.domains import DomainMapping
from tidegate.model.ingresses import Ingress
from tidegate.model.meta import Key, Object
from tidegate.reconcile import Again, Controller, Done, Next, Watch, watch_mapped, watch_self

Issue = Callable[
    [Sequence[str]], tuple[str, str]
]  # hosts -> certificate and key, PEM; kept, renewed
T = TypeVar("T", bound=Object)

DEFAULT = "default"
_OWN_NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")
_LOOK_AGAIN_S = 12 * 3600.0  # whether one of ours is soon over; they are renewed a month before


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a certificate that is wanted is not shown."""

    reason: str
    message: str


class CertificatesController(Generic[T]):
    """For one kind. The one writer of its certificates in the gateway's table."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        table: GatewayTable,
        issue: Issue,
        *,
        kind: type[T],
        prefix: str,
        wants: Callable[[T], Sequence[Want]],
    ) -> None:
        """`prefix` keeps the table's keys of several kinds apart."""
        self.name = f"certificates-{prefix}"
        self._api, self._table, self._issue = api, table, issue
        self._kind, self._prefix, self._wants = kind, prefix, wants
        self._events = EventRecorder(api, clock, "certificates")
        self._shown: dict[Key, int] = {}  # how many entries each object has in the table
        self._users: dict[Key, set[Key]] = {}  # of Secrets that are wanted
        self._told: dict[Key, frozenset[Problem]] = {}
        self.watches: Sequence[Watch] = (watch_self(kind), watch_mapped(Secret, self._of_secret))

    def _of_secret(self, secret: Secret) -> Iterable[Key]:
        return list(self._users.get(secret.key, ()))

    async def reconcile(self, key: Key) -> Next:
        found = self._api.get(self._kind, *key)
        wants = () if found is None else self._wants(found)
        self._remember_secrets(key, wants)
        problems, made_here = [], False
        for number, want in enumerate(wants):
            certificate = self._certificate(key, number, want)
            if isinstance(certificate, Problem):
                problems.append(certificate)
                self._table.set_certificate(self._entry(key, number), None)
            else:
                self._table.set_certificate(certificate.key, certificate)
                made_here = made_here or want.secret is None
        for number in range(len(wants), self._shown.pop(key, 0)):
            self._table.set_certificate(self._entry(key, number), None)
        if wants:
            self._shown[key] = len(wants)
        if found is not None:
            await self._tell(key, found, frozenset(problems))
        return Again(_LOOK_AGAIN_S) if made_here else Done()

    def _entry(self, key: Key, number: int) -> str:
        return f"{self._prefix}:{key}#{number}"

    def _remember_secrets(self, key: Key, wants: Sequence[Want]) -> None:
        named = {Key(key.namespace, want.secret) for want in wants if want.secret is not None}
        for secret in [s for s, users in self._users.items() if key in users and s not in named]:
            self._users[secret].discard(key)
            if not self._users[secret]:
                del self._users[secret]
        for secret in named:
            self._users.setdefault(secret, set()).add(key)

    def _certificate(self, key: Key, number: int, want: Want) -> Certificate | Problem:
        if want.secret is None:
            try:
                chain, private_key = self._issue(want.hosts)
            except ValueError as why:
                return Problem("NoCertificate", f"no certificate for {want.hosts}: {why}")
        else:
            pair = read_secret(self._api.get(Secret, key.namespace, want.secret), want.secret)
            if isinstance(pair, Problem):
                return pair
            chain, private_key = pair
        return Certificate(
            key=self._entry(key, number), hosts=want.hosts, chain=chain, private_key=private_key
        )

    async def _tell(self, key: Key, about: T, problems: frozenset[Problem]) -> None:
        new = problems - self._told.pop(key, frozenset())
        if problems:
            self._told[key] = problems
        for problem in sorted(new, key=lambda one: one.message):
            await self._events.emit(about, WARNING, problem.reason, problem.message)


def certificates_controllers(
    api: Api, clock: Clock, table: GatewayTable, issue: Issue
) -> list[Controller]:
    """One for each kind whose objects can want certificates."""
    return [
        CertificatesController(
            api, clock, table, issue, kind=Ingress, prefix="ingress", wants=of_ingress
        ),
        CertificatesController(
            api, clock, table, issue, kind=networking.Ingress, prefix="route", wants=of_route
        ),
        CertificatesController(
            api, clock, table, issue, kind=DomainMapping, prefix="domain", wants=of_mapping
        ),
    ]


def default_certificate(issue: Issue, *, address: str | None = None) -> Certificate:
    """What clients see who name no host that has a certificate of its own. `address`: the gateway's."""
    names = dict.fromkeys(_OWN_NAMES if address is None else (*_OWN_NAMES, address))
    chain, private_key = issue(tuple(names))
    return Certificate(key=DEFAULT, hosts=("",), chain=chain, private_key=private_key)


def read_secret(secret: Secret | None, name: str) -> tuple[str, str] | Problem:
    """Certificate chain and key of a Secret of type kubernetes.io/tls, as PEM."""
    if secret is None:
        return Problem("SecretNotFound", f"Secret {name}, which holds the certificate, is not here")
    try:
        chain = _field(secret, "tls.crt")
        key = _field(secret, "tls.key")
        leaf = x509.load_pem_x509_certificates(chain)[0]
        private = serialization.load_pem_private_key(key, password=None)
        if leaf.public_key() != private.public_key():
            raise ValueError("tls.key is not the key of the certificate in tls.crt")
    except (ValueError, TypeError) as why:  # TypeError: the key is encrypted
        return Problem("BadCertificate", f"Secret {name} holds no usable certificate: {why}")
    return chain.decode(), key.decode()


def _field(secret: Secret, name: str) -> bytes:
    if name not in secret.data:
        raise ValueError(f"it has no field {name} (kubectl create secret tls makes one)")
    try:
        return base64.b64decode(secret.data[name], validate=True)
    except binascii.Error as why:
        raise ValueError(f"{name} is not base64: {why}") from why
