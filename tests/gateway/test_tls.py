"""Which certificate a host is shown, and where plain HTTP is sent."""

import time

import pytest

from tidegate.apiserver.pki import open_pki
from tidegate.gateway.heads import parse_request
from tidegate.gateway.tls import Certificates, https_address
from tidegate.link.gateway import Certificate

BESIDE, BOTH = {"gateway-tls": 8443}, {"gateway-tls": 8443, "ingress-tls": 443}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    pki = open_pki(tmp_path_factory.mktemp("pki"), time.time())
    return [part.decode() for part in pki.issue(["x"], time.time(), called="x")]


def shown(pair, **hosts: tuple[str, ...]) -> Certificates:
    made = Certificates()
    for key, names in hosts.items():
        made.put(Certificate(key=key, hosts=names, chain=pair[0], private_key=pair[1]))
    return made


def test_a_host_has_the_certificate_by_its_name_then_by_wildcard_then_the_default(pair):
    some = shown(pair, exact=("a.x.org",), wild=("*.x.org",), default=("",))
    contexts = [some.for_host(name) for name in ("A.x.org.", "b.x.org", "c.b.x.org", None)]
    assert len({id(context) for context in contexts[:3]}) == 3
    assert contexts[2] is contexts[3]
    assert [some.has_own(name) for name in ("a.x.org", "b.x.org", "x.org")] == [True, True, False]


def test_of_two_certificates_for_one_host_the_smaller_key_is_shown_until_it_goes(pair):
    some = shown(pair, b=("h",), a=("h",))
    first = some.for_host("h")
    some.remove("a")
    assert some.for_host("h") not in (None, first)
    some.remove("b")
    assert some.for_host("h") is None


def test_the_same_certificate_again_changes_nothing(pair):
    some = shown(pair, a=("h",))
    before = some.for_host("h")
    some.put(Certificate(key="a", hosts=("h",), chain=pair[0], private_key=pair[1]))
    assert some.for_host("h") is before


@pytest.mark.parametrize(
    ("host", "ports", "address"),
    [
        pytest.param("a.org:8080", BESIDE, "https://a.org:8443/p?q", id="a port leads to ours"),
        pytest.param("a.org", BESIDE, "https://a.org:8443/p?q", id="no 443 here"),
        pytest.param("a.org", BOTH, "https://a.org/p?q", id="443 for who names no port"),
        pytest.param("a.org:8080", BOTH, "https://a.org:8443/p?q", id="both, and a port"),
        pytest.param("[::1]:8080", BESIDE, "https://[::1]:8443/p?q", id="IPv6"),
        pytest.param("[::1]", BOTH, "https://[::1]/p?q", id="IPv6 without a port"),
    ],
)
def test_plain_http_is_sent_to_the_port_that_fits(host, ports, address):
    head = parse_request(f"GET /p?q HTTP/1.1\r\nHost: {host}".encode())
    assert https_address(head, ports) == address
