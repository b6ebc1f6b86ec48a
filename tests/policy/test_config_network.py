"""Hosts of routes by config-domain and config-network, and what these maps may say."""

from __future__ import annotations

import pytest

from tidegate.model.meta import ObjectMeta
from tidegate.policy.config_domain import DomainConfig, parse_config_domain
from tidegate.policy.config_network import NetworkConfig, parse_config_network
from tidegate.policy.errors import BadConfig
from tidegate.policy.route_hosts import route_hosts

HELLO = ObjectMeta(name="hello", namespace="default")
LOCAL = ("hello.default.svc.cluster.local", "hello.default.svc", "hello.default")


def test_a_route_is_known_by_its_public_host_and_three_local_ones():
    hosts = route_hosts(HELLO, DomainConfig(), NetworkConfig())
    assert hosts.all == ("hello.default.localhost", *LOCAL)
    assert hosts.url == "http://hello.default.localhost"
    assert hosts.address == "http://hello.default.svc.cluster.local"


def test_a_tag_changes_the_name_and_nothing_else():
    hosts = route_hosts(HELLO, DomainConfig(), NetworkConfig(), tag="next")
    assert hosts.public == "next-hello.default.localhost"
    assert hosts.local[0] == "next-hello.default.svc.cluster.local"


def test_a_private_route_has_no_public_host():
    private = ObjectMeta(
        name="hello",
        namespace="default",
        labels={"networking.knative.dev/visibility": "cluster-local"},
    )
    hosts = route_hosts(private, DomainConfig(), NetworkConfig())
    assert (hosts.public, hosts.all) == (None, LOCAL)
    assert hosts.url == hosts.address


def test_the_clusters_own_domain_makes_a_route_private():
    domains = parse_config_domain(
        {"svc.cluster.local": "selector:\n  app: secret\n", "example.com": ""}
    )
    secret = ObjectMeta(name="hello", namespace="default", labels={"app": "secret"})
    assert route_hosts(secret, domains, NetworkConfig()).public is None
    assert route_hosts(HELLO, domains, NetworkConfig()).public == "hello.default.example.com"


@pytest.mark.parametrize(
    ("template", "host"),
    [
        ("{{.Name}}-{{.Namespace}}.{{.Domain}}", "hello-default.localhost"),
        ('{{.Name}}.{{index .Annotations "sub"}}.{{.Domain}}', "hello.blue.localhost"),
        ("{{ .Name }}.{{ .Labels.team }}.{{ .Domain }}", "hello.sea.localhost"),
    ],
)
def test_the_domain_template_is_filled_in_with_what_the_route_says(template, host):
    config = parse_config_network({"domain-template": template})
    route = ObjectMeta(
        name="hello", namespace="default", labels={"team": "sea"}, annotations={"sub": "blue"}
    )
    assert route_hosts(route, DomainConfig(), config).public == host


def test_the_tag_template_is_filled_in():
    config = parse_config_network({"tag-template": "{{.Name}}-{{.Tag}}"})
    assert (
        route_hosts(HELLO, DomainConfig(), config, tag="v1").public == "hello-v1.default.localhost"
    )


def test_todays_spelling_of_a_key_wins_over_the_old_one():
    config = parse_config_network({"rolloutDuration": "10", "rollout-duration": "20"})
    assert config.rollout_duration_s == 20


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"rollout-duration": "-1"}, "rollout-duration must be a positive integer, but was -1"),
        ({"rollout-duration": "1m"}, 'failed to parse "rollout-duration"'),
        ({"domain-template": "{{.Domain}}/{{.Name}}"}, "domain template has url path: /foo"),
        ({"domain-template": ""}, "empty hostname"),
        ({"domain-template": "{{if .Name}}x{{end}}"}, "uses more than fields"),
        ({"domain-template": "{{.Tag}}.x"}, "there are Annotations, Domain"),
        ({"tag-template": "{{.Domain}}"}, "there are Name, Tag"),
        (
            {"http-protocol": "gopher"},
            "httpProtocol gopher in config-network ConfigMap is not supp",
        ),
        ({"autocreate-cluster-domain-claims": "maybe"}, "parsing"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(data, why):
    with pytest.raises(BadConfig) as refused:
        parse_config_network(data)
    assert why in str(refused.value)


def test_the_most_specific_domain_wins_and_ties_go_by_name():
    domains = parse_config_domain(
        {
            "_example": "anything",
            "all.com": "",
            "b.com": "selector:\n  app: x\n",
            "a.com": "selector: {app: x}",
            "narrow.com": "selector: {app: x, team: y}",
        }
    )
    assert domains.domain_for({}) == "all.com"
    assert domains.domain_for({"app": "x"}) == "a.com"
    assert domains.domain_for({"app": "x", "team": "y"}) == "narrow.com"
    assert DomainConfig().domain_for({"app": "x"}) == "localhost"


@pytest.mark.parametrize("text", ["selector: [", "selector: 3", "selector: {a: 1}"])
def test_a_selector_that_cannot_be_read_names_its_domain(text):
    with pytest.raises(BadConfig, match=r"a\.com: "):
        parse_config_domain({"a.com": text})
