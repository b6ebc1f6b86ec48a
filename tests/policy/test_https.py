"""Who asks for HTTPS, and with which certificate."""

import pytest

from tidegate.model.meta import ObjectMeta
from tidegate.policy.config_domain import DomainConfig
from tidegate.policy.config_network import NetworkConfig
from tidegate.policy.https import MADE_HERE, certificate_of
from tidegate.policy.route_hosts import route_hosts

TLS = "tidegate.dev/tls"
OUT = "networking.knative.dev/disable-external-domain-tls"


@pytest.mark.parametrize(
    ("annotations", "always", "certificate"),
    [
        pytest.param({}, False, None, id="nobody asks"),
        pytest.param({TLS: "true"}, False, MADE_HERE, id="made here"),
        pytest.param({TLS: "mine"}, False, "mine", id="a Secret"),
        pytest.param({TLS: ""}, True, None, id="not this one"),
        pytest.param({TLS: "False"}, True, None, id="not this one, said so"),
        pytest.param({}, True, MADE_HERE, id="all of them"),
        pytest.param({OUT: "true"}, True, None, id="all but this one, in Knative's words"),
        pytest.param({OUT: "true", TLS: "mine"}, True, "mine", id="its own all the same"),
    ],
)
def test_the_annotation_goes_before_the_setting_for_all(annotations, always, certificate):
    assert certificate_of(annotations, always=always) == certificate


def test_the_url_of_a_route_with_a_certificate_says_https():
    plain = ObjectMeta(name="hello", namespace="default")
    own = ObjectMeta(name="hello", namespace="default", annotations={TLS: "true"})
    for_all = NetworkConfig(external_domain_tls=True)
    urls = [
        route_hosts(meta, DomainConfig(), network).url
        for meta, network in ((plain, NetworkConfig()), (own, NetworkConfig()), (plain, for_all))
    ]
    assert urls == [
        "http://hello.default.localhost",
        "https://hello.default.localhost",
        "https://hello.default.localhost",
    ]
