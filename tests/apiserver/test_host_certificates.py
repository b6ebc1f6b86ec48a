"""Certificates for hosts: made once, trusted by who trusts the engine, renewed in time."""

import ssl

import pytest
from cryptography import x509

from tidegate.apiserver.host_certificates import HostCertificates
from tidegate.apiserver.pki import open_pki

DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


class Calendar:
    """A clock that shows what the test says."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def now(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, after_s: float) -> None:
        self.now_s += after_s


@pytest.fixture
def clock():
    return Calendar()


@pytest.fixture
def certificates(tmp_path, clock):
    return HostCertificates(open_pki(tmp_path / "pki", NOW_S), clock)


def names(chain: str) -> list[str]:
    leaf = x509.load_pem_x509_certificate(chain.encode())
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_a_certificate_has_its_names_and_addresses_and_is_signed_by_the_ca(tmp_path, certificates):
    chain, key = certificates(["a.example", "*.b.example", "127.0.0.1", "::1"])
    assert names(chain) == ["a.example", "*.b.example", "127.0.0.1", "::1"]
    leaf = x509.load_pem_x509_certificate(chain.encode())
    ca = x509.load_pem_x509_certificate((tmp_path / "pki" / "ca.crt").read_bytes())
    leaf.verify_directly_issued_by(ca)
    pair = tmp_path / "pair.pem"
    pair.write_text(chain + key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair)


def test_the_same_hosts_get_the_same_certificate_again(certificates):
    assert certificates(["a.example"]) == certificates(["a.example"])
    assert certificates(["a.example"]) != certificates(["b.example"])


def test_a_certificate_that_is_soon_over_is_made_anew(clock, certificates):
    before = certificates(["a.example"])
    clock.now_s += 330 * DAY_S
    assert certificates(["a.example"]) == before
    clock.now_s += 6 * DAY_S
    assert certificates(["a.example"]) != before


def test_another_authority_signs_anew(tmp_path, clock):
    first = HostCertificates(open_pki(tmp_path / "one", NOW_S), clock)(["a"])
    (tmp_path / "one" / "ca.crt").unlink()
    assert HostCertificates(open_pki(tmp_path / "one", NOW_S), clock)(["a"]) != first


def test_the_files_are_for_this_user_only(tmp_path, certificates):
    certificates(["a.example"])
    for path in (tmp_path / "pki" / "hosts").iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_what_is_no_host_is_refused(certificates):
    with pytest.raises(ValueError, match=r"."):
        certificates(["Bücher.example"])
