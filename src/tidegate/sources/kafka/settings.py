"""What the environment says: `K_SOURCE` (JSON) and the secrets in `KAFKA_...`.

SettingsProblem   the environment is wrong: nothing can start; names the field
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

from tidegate.kit.http_client import Origin, split_url
from tidegate.sources.cloudevents import is_name
from tidegate.sources.kafka.records import KeyType
from tidegate.sources.kafka.retries import Backoff, Delivery

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_USUAL_IN_FLIGHT: Final = 100


T = TypeVar("T")


class SettingsProblem(Exception):
    """The environment is wrong. The sentence names the variable and the field."""


class _Struct(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Destination(_Struct, frozen=True):
    """Where to POST. `host`: the Host header, if not the URL's own. `ca_certs`: PEM text. `uri`: how
    it is called in logs and dead letters, if not by the address that it is reached at."""

    url: str
    host: str | None = None
    ca_certs: str | None = None
    uri: str | None = None

    def __post_init__(self) -> None:
        split_url(self.url)

    @property
    def origin(self) -> Origin:
        return split_url(self.url)[0]

    @property
    def target(self) -> str:
        return split_url(self.url)[1]


class Sasl(_Struct, frozen=True):
    """Whether to authenticate, and how, if the secret doesn't say."""

    enable: bool = False
    type: str = "PLAIN"


class Tls(_Struct, frozen=True):
    """Whether to encrypt."""

    enable: bool = False


class Net(_Struct, frozen=True):
    """How to speak to the brokers."""

    sasl: Sasl = Sasl()
    tls: Tls = Tls()


class DeliverySpec(_Struct, frozen=True):
    """As the document's `delivery`, times in seconds."""

    retry: int = 10
    backoff_policy: Backoff = Backoff.EXPONENTIAL
    backoff_delay_s: float = 0.3
    timeout_s: float = 600.0
    retry_after_max_s: float | None = None
    dead_letter_sink: Destination | None = None

    def __post_init__(self) -> None:
        if self.retry < 0 or self.backoff_delay_s < 0 or self.timeout_s <= 0:
            raise ValueError("delivery: retry and backoffDelayS are at least 0, timeoutS above 0")

    @property
    def rules(self) -> Delivery:
        return Delivery(
            retry=self.retry,
            backoff=self.backoff_policy,
            delay_s=self.backoff_delay_s,
            timeout_s=self.timeout_s,
            retry_after_most_s=self.retry_after_max_s,
        )


class SourceSettings(_Struct, frozen=True):
    """`K_SOURCE`."""

    bootstrap_servers: tuple[str, ...]
    topics: tuple[str, ...]
    consumer_group: str
    source: str
    sink: Destination
    initial_offset: Literal["earliest", "latest"] = "latest"
    ordering: Literal["ordered", "unordered"] = "ordered"
    key_type: KeyType = KeyType.STRING
    extensions: dict[str, str] = {}
    delivery: DeliverySpec = DeliverySpec()
    max_in_flight: int | None = None
    """Events under way at once in this process; None: 100. Ordered: at most one a partition."""
    reply: Destination | None = None
    net: Net = Net()
    session_s: float = 10.0
    """After so long without a sign of life the group gives a consumer's partitions to others. Brokers
    take 6 s at least by default."""

    def __post_init__(self) -> None:
        check_servers(self.bootstrap_servers)
        if self.session_s < 1:
            raise ValueError("sessionS is at least 1")
        if not self.topics or not all(self.topics) or not self.consumer_group:
            raise ValueError("topics and consumerGroup must not be empty")
        if self.max_in_flight is not None and self.max_in_flight < 1:
            raise ValueError("maxInFlight is at least 1")
        for name in self.extensions:
            if not is_name(name):
                raise ValueError(f"extensions: {name!r} is not lower-case letters and digits")

    @property
    def in_flight(self) -> int:
        return self.max_in_flight or _USUAL_IN_FLIGHT


class Credentials(msgspec.Struct, frozen=True):
    """What the secrets say. PEM texts; None: not given."""

    user: str | None = None
    password: str | None = None
    mechanism: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


def check_servers(servers: tuple[str, ...]) -> None:
    """Raises ValueError unless each is host:port."""
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"bootstrapServers: {server!r} is not HOST:PORT")
    if not servers:
        raise ValueError("bootstrapServers must not be empty")


def decoded(environ: Mapping[str, str], variable: str, kind: type[T]) -> T:
    """The settings in a variable. Raises `SettingsProblem`."""
    text = environ.get(variable)
    if not text:
        raise SettingsProblem(f"{variable} is not set: it holds the settings as JSON")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError) as why:
        raise SettingsProblem(f"{variable}: {why}") from why


def credentials(environ: Mapping[str, str]) -> Credentials:
    """The secrets. An empty variable counts as not given."""

    def of(name: str) -> str | None:
        return environ.get(f"KAFKA_{name}") or None

    return Credentials(
        user=of("SASL_USER"),
        password=of("SASL_PASSWORD"),
        mechanism=(of("SASL_TYPE") or "").strip() or None,
        ca=of("TLS_CA"),
        cert=of("TLS_CERT"),
        key=of("TLS_KEY"),
    )


def security(net: Net, secrets: Credentials) -> dict[str, Any]:
    """The arguments about security that aiokafka's clients take. Raises `SettingsProblem`."""
    protocol = ("SASL_" if net.sasl.enable else "") + ("SSL" if net.tls.enable else "PLAINTEXT")
    out: dict[str, Any] = {"security_protocol": protocol}
    if net.tls.enable:
        out["ssl_context"] = tls_context(secrets.ca, secrets.cert, secrets.key)
    if net.sasl.enable:
        mechanism = secrets.mechanism or net.sasl.type
        if mechanism not in MECHANISMS:
            raise SettingsProblem(f"SASL type {mechanism!r} is none of {', '.join(MECHANISMS)}")
        if not secrets.user or secrets.password is None:
            raise SettingsProblem(
                "net.sasl is on, but KAFKA_SASL_USER or KAFKA_SASL_PASSWORD isn't set"
            )
        out |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": secrets.user,
            "sasl_plain_password": secrets.password,
        }
    return out


def lacking(net: Net, secrets: Credentials) -> str:
    """What a broker might ask for and this client hasn't got."""
    return " or ".join(
        what
        for what, given in (
            ("TLS", net.tls.enable),
            ("a client's certificate", not net.tls.enable or secrets.cert),
            ("user and password", net.sasl.enable),
        )
        if not given
    )


def tls_context(ca: str | None, cert: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """Trust in `ca` (None: as the system), and who we are. Raises `SettingsProblem`."""
    try:
        context = ssl.create_default_context(cadata=ca)
        if cert and key:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:  # ssl reads files only
                pem.write(cert + "\n" + key)
                pem.flush()
                context.load_cert_chain(pem.name)
    except (ssl.SSLError, ValueError) as why:
        raise SettingsProblem(f"a TLS certificate or key is no PEM text: {why}") from why
    return context
