"""HTTPS on a real engine: a service asks for it by a line, an Ingress and a mapping bring a Secret."""

import base64
import json
import socket
import ssl
import time
from urllib.parse import urlsplit

import pytest

from tidegate.apiserver.pki import open_pki
from tidegate.testing.engine import running_engine, service_document, wait_until

pytestmark = pytest.mark.live

HOST = "hello.default.localhost"


@pytest.fixture(scope="module")
def engine():
    with running_engine() as engine:
        yield engine


def ask(engine, host: str, *, trusting: ssl.SSLContext, path: str = "/") -> tuple[int, list[str]]:
    """One request by HTTPS; the status, and the names in the certificate."""
    url = urlsplit(engine.status["gateway"]["https_url"])
    with (
        socket.create_connection((url.hostname, url.port), timeout=60) as plain,
        trusting.wrap_socket(plain, server_hostname=host) as secure,
    ):
        names = [name for _, name in secure.getpeercert()["subjectAltName"]]
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(secure.recv(4096).split(b" ")[1]), names


def own(engine) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(engine.home / "pki" / "ca.crt"))


def test_a_service_gets_https_by_a_line_and_says_so(engine):
    document = json.loads(service_document("hello"))
    document["metadata"]["annotations"] = {
        "tidegate.dev/tls": "true",
        "networking.knative.dev/http-protocol": "Redirected",
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(document))
    engine.cli("wait", "ksvc/hello", "--for=condition=Ready", "--timeout=120s")
    assert engine.get("ksvc")[0]["status"]["url"] == f"https://{HOST}"
    status, names = ask(engine, HOST, trusting=own(engine))
    assert status == 200
    assert HOST in names
    status, _ = engine.ask("hello")
    assert status == 308


def test_on_its_own_address_the_gateway_shows_a_certificate_for_this_machine(engine):
    status, names = ask(engine, "localhost", trusting=own(engine), path="/openai/v1/models")
    assert status == 200
    assert "127.0.0.1" in names


def test_a_secret_of_ones_own_is_shown_and_a_missing_one_told(engine, tmp_path):
    other = open_pki(tmp_path / "other", time.time())
    chain, key = other.issue(["shop.example.org"], time.time(), called="shop")
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {
            "tls": [{"hosts": ["shop.example.org"], "secretName": "shop-tls"}],
            "rules": [
                {
                    "host": "shop.example.org",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "none", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ],
        },
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(ingress))
    wait_until(
        "the missing Secret is told",
        lambda: any(event["reason"] == "SecretNotFound" for event in engine.get("events")),
    )
    data = {"tls.crt": chain, "tls.key": key}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "shop-tls", "namespace": "default"},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
    engine.cli("apply", "-f", "-", stdin=json.dumps(secret))
    trusting = ssl.create_default_context(cafile=str(other.ca))

    def shown() -> bool:
        try:
            status, names = ask(engine, "shop.example.org", trusting=trusting)
        except ssl.SSLError:
            return False
        return (status, names) == (503, ["shop.example.org"])

    wait_until("the Secret's certificate is shown", shown)
