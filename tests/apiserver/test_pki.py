"""Certificates, the token and the kubeconfig."""

from __future__ import annotations

import ssl
import stat

import pytest
from cryptography import x509

from tidegate.apiserver.kubeconfig import write_kubeconfig
from tidegate.apiserver.pki import PkiError, open_pki, write_private
from tidegate.client.http import read_kubeconfig

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0


def test_everything_is_kept_from_one_start_to_the_next_and_private(tmp_path):
    first = open_pki(tmp_path / "pki", NOW_S)
    files = {p.name: p.read_bytes() for p in first.folder.iterdir()}
    second = open_pki(tmp_path / "pki", NOW_S + DAY_S)
    assert {p.name: p.read_bytes() for p in second.folder.iterdir()} == files
    assert first == second
    assert {stat.S_IMODE(p.stat().st_mode) for p in first.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(first.folder.stat().st_mode) == 0o700


def test_the_server_certificate_is_for_this_machine_and_signed_by_the_ca(tmp_path):
    pki = open_pki(tmp_path, NOW_S)
    ca = x509.load_pem_x509_certificate(pki.ca.read_bytes())
    server = x509.load_pem_x509_certificate(pki.certificate.read_bytes())
    server.verify_directly_issued_by(ca)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.certificate, pki.key)


@pytest.mark.parametrize(
    ("days", "renewed"),
    [
        pytest.param(300, False, id="two months left"),
        pytest.param(340, True, id="less than a month left"),
        pytest.param(900, True, id="long over"),
    ],
)
def test_the_server_certificate_is_renewed_before_it_is_over(tmp_path, days, renewed):
    pki = open_pki(tmp_path, NOW_S)
    before = pki.certificate.read_bytes()
    assert pki.renew(NOW_S + days * DAY_S) is renewed
    assert (pki.certificate.read_bytes() != before) is renewed


def test_a_damaged_file_is_named_with_the_way_out(tmp_path):
    pki = open_pki(tmp_path / "pki", NOW_S)
    pki.ca.write_text("nonsense")
    with pytest.raises(PkiError, match=r"this is not a certificate\. Delete the folder"):
        open_pki(tmp_path / "pki", NOW_S)


def test_the_kubeconfig_says_all_that_a_client_needs(tmp_path):
    pki = open_pki(tmp_path / "pki", NOW_S)
    write_kubeconfig(tmp_path / "kubeconfig", pki, port=6443)
    access = read_kubeconfig(tmp_path / "kubeconfig")
    assert access.server == "https://127.0.0.1:6443"
    assert (access.token, access.ca) == (pki.token, pki.ca.read_text())
    assert access.namespace == "default"
    assert stat.S_IMODE((tmp_path / "kubeconfig").stat().st_mode) == 0o600


def test_a_key_half_written_by_one_that_was_killed_does_not_stay(tmp_path):
    write_private(tmp_path / "server.key", b"old")
    (tmp_path / ".server.key.x1y2z3").write_bytes(b"secr")
    (tmp_path / ".server.crt.x1y2z3").write_bytes(b"another file's")
    write_private(tmp_path / "server.key", b"new")
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left == {"server.key": b"new", ".server.crt.x1y2z3": b"another file's"}
