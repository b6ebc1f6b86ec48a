"""The address that scripts ask the ingress' Service for is the gateway's."""

import http.client
from urllib.parse import urlsplit

import pytest

from tidegate.testing.engine import running_engine, wait_until

pytestmark = pytest.mark.live


def test_the_ingress_service_leads_to_the_gateway():
    with running_engine() as engine:
        wait_until("the Service is there", lambda: engine.get("svc", "kube-system"))
        wait_until("it has an address", lambda: engine.get("svc", "kube-system")[0].get("status"))
        (service,) = engine.get("svc", "kube-system")
        assert service["metadata"]["name"] == "nginx-ingress-lb"
        ip = service["status"]["loadBalancer"]["ingress"][0]["ip"]
        port = service["spec"]["ports"][0]["port"]
        told = urlsplit(engine.status["gateway"]["ingress_url"] or engine.status["gateway"]["url"])
        assert (ip, port) == (told.hostname, told.port or 80)
        connection = http.client.HTTPConnection(ip, port, timeout=10)
        connection.request("GET", "/", headers={"Host": "nobody.example"})
        assert connection.getresponse().status == 404
        connection.close()
