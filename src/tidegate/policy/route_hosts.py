"""All names of a route, or of one of its tags, and the URLs its status shows.

Source: Knative, serving pkg/reconciler/route/domains, config-domain and config-network.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model import serving_names as names
from tidegate.model.labels import not_a_domain
from tidegate.model.meta import ObjectMeta
from tidegate.policy.config_domain import CLUSTER_DOMAIN, DomainConfig
from tidegate.policy.config_network import NetworkConfig
from tidegate.policy.domain import local_hosts
from tidegate.policy.host_template import Names, fill_in
from tidegate.policy.https import certificate_of


@dataclass(frozen=True, slots=True)
class RouteHosts:
    """`public` None: no way in from outside. `local`: names inside a cluster, the full one first."""

    public: str | None
    local: tuple[str, ...]
    scheme: str = "http"

    @property
    def all(self) -> tuple[str, ...]:
        return self.local if self.public is None else (self.public, *self.local)

    @property
    def problem(self) -> str | None:
        """Why no client could ever ask for the public host; None: it can be one."""
        wrong = None if self.public is None else not_a_domain(self.public)
        if wrong is None:
            return None
        return f'invalid domain name "{self.public}": url: Invalid value: "{wrong[0]}": {wrong[1]}'

    @property
    def url(self) -> str:
        """As the status shows it, without a port, as on a cluster."""
        return self.address if self.public is None else f"{self.scheme}://{self.public}"

    @property
    def address(self) -> str:
        """Where other pods reach it."""
        return f"http://{self.local[0]}"


def route_hosts(
    route: ObjectMeta, domains: DomainConfig, network: NetworkConfig, *, tag: str | None = None
) -> RouteHosts:
    """The names of a Route with this metadata. `tag` None: its own."""
    namespace, name = route.namespace or "", route.name
    if tag:
        name = fill_in(network.tag_template, Names({"Tag": tag, "Name": name}))
    local = local_hosts(name, namespace)
    domain = domains.domain_for(route.labels)
    if route.labels.get(names.VISIBILITY) == "cluster-local" or domain == CLUSTER_DOMAIN:
        return RouteHosts(None, local)
    host = fill_in(
        network.domain_template,
        Names(
            {"Name": name, "Namespace": namespace, "Domain": domain},
            {"Labels": route.labels, "Annotations": route.annotations},
        ),
    )
    secure = certificate_of(route.annotations, always=network.external_domain_tls) is not None
    return RouteHosts(host.lower(), local, "https" if secure else network.external_scheme)
