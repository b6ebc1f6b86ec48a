"""All Ingresses of one host as routes of the gateway's table. Pure.

Paths of one host may come from several Ingresses; where two claim the same path, the older one has
it. A canary takes a share of the main Ingress that has the same host and path, whatever its namespace,
as nginx' controller merges them.
Source: ingress-nginx internal/ingress/controller/controller.go (`mergeAlternativeBackends`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.ingress.model_names import models_of, openai_path
from tidegate.link.gateway import Route, Rule, Split
from tidegate.model.core import Service
from tidegate.model.ingresses import HTTPIngressPath, Ingress, IngressBackend
from tidegate.model.meta import Key, controller_of
from tidegate.model.service_targets import find_port, lane_key
from tidegate.policy.nginx import Canary, canary_of, redirects_to_https

FindService = Callable[[Key], Service | None]
PathType = Literal["Exact", "Prefix"]
ANY = ""  # the host of rules that name none


@dataclass(frozen=True, slots=True)
class Note:
    """Something in an Ingress that has no effect, or not the one its author meant. For an Event."""

    ingress: Key
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class HostPlan:
    routes: tuple[Route, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One path of one Ingress for one host."""

    ingress: Ingress
    host: str
    path: str
    path_type: PathType
    backend: IngressBackend

    @property
    def place(self) -> tuple[str, PathType]:
        return self.path, self.path_type

    @property
    def where(self) -> str:
        return f"host {self.host or '*'} and path {self.path}"


@dataclass(frozen=True, slots=True)
class _Broken:
    reason: str
    message: str


def hosts_of(ingress: Ingress) -> list[str]:
    """The hosts that an Ingress says something about."""
    hosts = [rule.host or ANY for rule in ingress.spec.rules]
    if ingress.spec.default_backend is not None:
        hosts.append(ANY)
    return list(dict.fromkeys(hosts))


def plan_host(host: str, ingresses: Iterable[Ingress], find: FindService) -> HostPlan:
    """The routes of a host. `ingresses`: those that have it, and may be more; `find` gives a Service."""
    mains: dict[tuple[str, PathType], _Claim] = {}
    canaries: dict[tuple[str, PathType], list[_Claim]] = {}
    notes: list[Note] = []
    for ingress in sorted(ingresses, key=_age):
        canary = canary_of(ingress.metadata.annotations) is not None
        for claim in _claims(host, ingress):
            if canary:
                canaries.setdefault(claim.place, []).append(claim)
            elif claim.place in mains:
                notes.append(_taken(claim, mains[claim.place]))
            else:
                mains[claim.place] = claim
    _add_fallback(host, ingresses, mains)
    for place, claims in canaries.items():
        if place not in mains:
            notes += [_inert(claim) for claim in claims]
        notes += [_second(claim, claims[0]) for claim in claims[1:]]
    routes = []
    for place, main in mains.items():
        route, more = _route(main, canaries.get(place, [None])[0], find)
        routes.append(route)
        notes += more
    return HostPlan(tuple(routes), tuple(notes))


def _age(ingress: Ingress) -> tuple[str, Key]:
    return ingress.metadata.creation_timestamp or "", ingress.key


def _claims(host: str, ingress: Ingress) -> Iterator[_Claim]:
    for rule in ingress.spec.rules:
        if (rule.host or ANY) == host:
            for entry in rule.http.paths if rule.http else ():
                yield _Claim(ingress, host, entry.path or "/", _path_type(entry), entry.backend)


def _path_type(entry: HTTPIngressPath) -> PathType:
    return "Exact" if entry.path_type == "Exact" else "Prefix"


def _add_fallback(
    host: str, ingresses: Iterable[Ingress], mains: dict[tuple[str, PathType], _Claim]
) -> None:
    """What no path of the host matches goes to the default backend of the Ingress that has the host."""
    for ingress in sorted(ingresses, key=_age):
        backend = ingress.spec.default_backend
        if backend is None or canary_of(ingress.metadata.annotations) is not None:
            continue
        if host in hosts_of(ingress) and ("/", "Prefix") not in mains:
            mains["/", "Prefix"] = _Claim(ingress, host, "/", "Prefix", backend)


def _route(main: _Claim, canary: _Claim | None, find: FindService) -> tuple[Route, list[Note]]:
    kind = "=" if main.path_type == "Exact" else ""
    key = f"ing:{main.ingress.key}|{main.host}|{kind}{main.path}"
    lane = _lane(main, find)
    if isinstance(lane, _Broken):
        note = Note(main.ingress.key, lane.reason, lane.message)
        return _as_route(main, key, (), trouble=lane.message), [note]
    alone = _as_route(main, key, (Split(revision=lane, percent=100),))
    if canary is None:
        return alone, []
    other = _lane(canary, find)
    if isinstance(other, _Broken):
        note = Note(
            canary.ingress.key, other.reason, f"{other.message}: the canary gets no requests"
        )
        return alone, [note]
    said = canary_of(canary.ingress.metadata.annotations)
    assert said is not None
    if not said.takes_any or other == lane:
        return alone, []
    return _as_route(
        main, key, tuple(_shares(said, lane, other)), rules=_rules(said, lane, other)
    ), []


def _as_route(
    main: _Claim,
    key: str,
    splits: tuple[Split, ...],
    *,
    rules: tuple[Rule, ...] = (),
    trouble: str | None = None,
) -> Route:
    return Route(
        key=key,
        hosts=(main.host,),
        splits=splits,
        rules=rules,
        path=main.path,
        path_type=main.path_type,
        trouble=trouble,
        models=_models(main),
        openai_path=openai_path(
            main.ingress.metadata.annotations, kserve=_inference_service(main.ingress) is not None
        ),
        one_label=main.host.startswith("*."),
        redirect_https=redirects_to_https(
            main.ingress.metadata.annotations, has_tls=_has_tls(main.ingress, main.host)
        ),
    )


def _inference_service(ingress: Ingress) -> str | None:
    """The name of the InferenceService that it was made for; None: for none."""
    owner = controller_of(ingress.metadata)
    return owner.name if owner is not None and owner.kind == "InferenceService" else None


def _models(main: _Claim) -> tuple[str, ...]:
    """Of its first host as a whole: the others of an InferenceService are its components'."""
    ingress, rules = main.ingress, main.ingress.spec.rules
    if main.place != ("/", "Prefix") or not rules or (rules[0].host or ANY) != main.host:
        return ()
    return models_of(_inference_service(ingress), ingress.metadata.annotations)


def _has_tls(ingress: Ingress, host: str) -> bool:
    wildcard = f"*.{host.partition('.')[2]}"
    return any(
        not entry.hosts or host in entry.hosts or wildcard in entry.hosts
        for entry in ingress.spec.tls
    )


def _shares(said: Canary, main: str, canary: str) -> Iterator[Split]:
    if said.weight < said.total:
        yield Split(revision=main, percent=said.total - said.weight)
    if said.weight:
        yield Split(revision=canary, percent=said.weight)


def _rules(said: Canary, main: str, canary: str) -> tuple[Rule, ...]:
    """Header before cookie; the weights decide about the rest."""
    rules: list[Rule] = []
    if said.header is not None and said.value is not None:
        rules.append(Rule(revision=canary, header=said.header, values=(said.value,)))
    elif said.header is not None and said.pattern is not None:
        rules.append(Rule(revision=canary, header=said.header, pattern=said.pattern))
    elif said.header is not None:
        rules.append(Rule(revision=canary, header=said.header, values=("always",)))
        rules.append(Rule(revision=main, header=said.header, values=("never",)))
    if said.cookie is not None:
        rules.append(Rule(revision=canary, cookie=said.cookie, values=("always",)))
        rules.append(Rule(revision=main, cookie=said.cookie, values=("never",)))
    return tuple(rules)


def _lane(claim: _Claim, find: FindService) -> str | _Broken:
    """The queue at the gateway that a path leads to, or why there is none."""
    named = claim.backend.service
    assert named is not None  # admission refuses anything else
    namespace = claim.ingress.metadata.namespace or ""
    about = f"Service {namespace}/{named.name}, which Ingress {claim.ingress.key} names for {claim.where},"
    service = find(Key(namespace, named.name))
    if service is None:
        return _Broken("ServiceNotFound", f"{about} does not exist")
    wanted = (named.port.name or named.port.number or 0) if named.port is not None else 0
    port = find_port(service, wanted)
    if port is None:
        has = ", ".join(
            f"{p.port}" + (f" ({p.name})" if p.name else "") for p in service.spec.ports
        )
        return _Broken("PortNotFound", f"{about} has no TCP port {wanted}, but {has or 'none'}")
    return lane_key(namespace, named.name, port.port)


def _taken(claim: _Claim, by: _Claim) -> Note:
    return Note(
        claim.ingress.key,
        "PathTaken",
        f"{claim.where} belong to Ingress {by.ingress.key}, which is older: this path has no effect",
    )


def _inert(claim: _Claim) -> Note:
    return Note(
        claim.ingress.key,
        "CanaryWithoutMain",
        f"no other Ingress has {claim.where}: a canary takes a share of one that does, and serves "
        "nothing by itself",
    )


def _second(claim: _Claim, first: _Claim) -> Note:
    return Note(
        claim.ingress.key,
        "CanaryIgnored",
        f"Ingress {first.ingress.key} is a canary of {claim.where} already, and there can be one",
    )


def concerned(host: str, ingresses: Sequence[Ingress]) -> list[Ingress]:
    """Those Ingresses that say something about the host."""
    return [ingress for ingress in ingresses if host in hosts_of(ingress)]
