"""Where events go: a destination as the status names it, and as an adapter on this machine dials it.

No DNS here knows Services: a URI of one is dialled at the gateway, with the Service's name as Host.
Reads only. Source: knative.dev/pkg resolver/addressable_resolver.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from tidegate.client.api import Reader
from tidegate.model import core, kserve, serving
from tidegate.model.domains import KReference
from tidegate.model.eventing import Destination
from tidegate.model.kafka import EVENTING, KafkaSink, KafkaSource
from tidegate.model.kafka_settings import REPLY
from tidegate.model.meta import Object
from tidegate.model.service_targets import routed_ports
from tidegate.policy.config_domain import CLUSTER_DOMAIN

_HTTP = 80


@dataclass(frozen=True, slots=True)
class Address:
    """`uri` is the name, `url` where to connect. `host` None: the Host header is that of `url`."""

    uri: str
    url: str
    host: str | None = None
    ca_certs: str | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """`reason` is one word, `message` says what is missing and what to do."""

    reason: str
    message: str


#: What has an address: (group, kind) -> its type and its name in messages.
ADDRESSABLE: Mapping[tuple[str, str], tuple[type[Object], str]] = {
    ("", "Service"): (core.Service, "services"),
    ("serving.knative.dev", "Service"): (serving.Service, "services.serving.knative.dev"),
    ("serving.knative.dev", "Route"): (serving.Route, "routes.serving.knative.dev"),
    ("serving.kserve.io", "InferenceService"): (
        kserve.InferenceService,
        "inferenceservices.serving.kserve.io",
    ),
    (EVENTING, "KafkaSink"): (KafkaSink, "kafkasinks.eventing.knative.dev"),
}


def resolve(
    to: Destination, namespace: str, api: Reader, gateway: str | None
) -> Address | Unresolved:
    """The address of a destination. `gateway` is its `host:port`; None: nobody knows it."""
    uri = to.uri or ""
    if to.ref is not None:
        base = _address_of(to.ref, namespace, api)
        if isinstance(base, Unresolved):
            return base
        uri = _joined(base, uri)
    return dialled(uri, gateway, to.ca_certs)


def dialled(uri: str, gateway: str | None, ca_certs: str | None = None) -> Address | Unresolved:
    """An absolute URI as an adapter connects to it."""
    parsed = urlsplit(uri)
    host = parsed.hostname or ""
    if not host.endswith((f".{CLUSTER_DOMAIN}", ".svc")):
        return Address(uri, uri, None, ca_certs)
    if parsed.scheme != "http":
        why = f"{uri}: services of this machine are reached by http:// here"
        return Unresolved("SchemeNotServed", why)
    if gateway is None:
        return Unresolved("NoGateway", f"{uri}: the gateway's address is not known")
    url = SplitResult("http", gateway, parsed.path or "/", parsed.query, "").geturl()
    name = host if parsed.port in (None, _HTTP) else f"{host}:{parsed.port}"
    return Address(uri, url, name, ca_certs)


def reply_of(source: KafkaSource) -> Destination | None:
    """Where answers of the sink go; None: nowhere."""
    said = source.metadata.annotations.get(REPLY)
    if not said:
        return None
    if "://" in said:
        return Destination(uri=said)
    ref = KReference(api_version=f"{EVENTING}/v1alpha1", kind="KafkaSink", name=said)
    return Destination(ref=ref)


def destinations_of(source: KafkaSource) -> Iterator[Destination]:
    """All that a source refers to: the sink first."""
    delivery = source.spec.delivery
    for to in (
        source.spec.sink,
        delivery.dead_letter_sink if delivery else None,
        reply_of(source),
    ):
        if to is not None:
            yield to


def refers_to(source: KafkaSource, obj: Object) -> bool:
    """Whether a change of the object may change an address of the source."""
    for to in destinations_of(source):
        ref = to.ref
        if ref is None or ref.name != obj.metadata.name:
            continue
        known = ADDRESSABLE.get((_group(ref), ref.kind or ""))
        same_space = (ref.namespace or source.metadata.namespace) == obj.metadata.namespace
        if known is not None and known[0] is type(obj) and same_space:
            return True
    return False


def _group(ref: KReference) -> str:
    return ref.api_version.rpartition("/")[0] if ref.api_version else ref.group or ""


def _address_of(ref: KReference, namespace: str, api: Reader) -> str | Unresolved:
    space, name, kind = ref.namespace or namespace, ref.name or "", ref.kind or ""
    known = ADDRESSABLE.get((_group(ref), kind))
    if known is None:
        kinds = ", ".join(f"{k} ({g or 'v1'})" for g, k in ADDRESSABLE)
        what = f"{ref.api_version or ref.group}, Kind={kind}"
        return Unresolved("NotAddressable", f"{what} has no address: refer to one of {kinds}")
    type_, resource = known
    found = api.get(type_, space, name)
    if found is None:
        text = f'failed to get object {space}/{name}: {resource} "{name}" not found'
        return Unresolved("NotFound", text)
    url = _READ[type_](found)
    if url is None:
        return Unresolved("AddressNotSet", f'{kind} "{space}/{name}" has no address yet')
    return url


def _status_address(obj: object) -> str | None:
    status = getattr(obj, "status", None)
    address = getattr(status, "address", None)
    url: str | None = getattr(address, "url", None)
    return url


def _core_address(service: object) -> str | None:
    """Port 80 where it has one, else its first: a cluster's Services answer there too."""
    assert isinstance(service, core.Service)
    ports = [port.port for port in routed_ports(service)]
    host = f"{service.metadata.name}.{service.metadata.namespace}.{CLUSTER_DOMAIN}"
    if not ports:
        return None
    return f"http://{host}" if _HTTP in ports else f"http://{host}:{ports[0]}"


_READ: Mapping[type[Object], Callable[[object], str | None]] = {
    core.Service: _core_address,
    serving.Service: _status_address,
    serving.Route: _status_address,
    kserve.InferenceService: _status_address,
    KafkaSink: _status_address,
}


def _joined(base: str, relative: str) -> str:
    """As Go's ResolveReference: `predict` and `/predict` of a host are the same."""
    parsed = urlsplit(base)
    whole = base if parsed.path else f"{base}/"
    return urljoin(whole, relative) if relative else base
