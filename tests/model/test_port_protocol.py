"""What ports speak, by what documents call them."""

import pytest

from tidegate.model.containers import Container, ContainerPort
from tidegate.model.core import ServicePort
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.model.port_protocol import revision_protocol, service_protocol
from tidegate.model.serving import Revision, RevisionSpec


def pod(name: str | None = None, number: int = 9000) -> Pod:
    container = Container(name="c", ports=(ContainerPort(container_port=number, name=name),))
    return Pod(metadata=ObjectMeta(name="p"), spec=PodSpec(containers=(container,)))


@pytest.mark.parametrize(("name", "expected"), [("h2c", "h2c"), ("http1", "http1"), ("", "http1")])
def test_a_revision_speaks_what_its_container_port_is_called(name, expected):
    spec = RevisionSpec(
        containers=(
            Container(name="side"),
            Container(name="c", ports=(ContainerPort(container_port=8080, name=name),)),
        )
    )
    revision = Revision(metadata=ObjectMeta(name="r"), spec=spec)
    assert revision_protocol(revision) == expected


@pytest.mark.parametrize(
    ("port", "behind", "expected"),
    [
        pytest.param(ServicePort(port=80), pod(), "http1", id="nothing said"),
        pytest.param(
            ServicePort(port=80, app_protocol="kubernetes.io/h2c"), None, "h2c", id="appProtocol"
        ),
        pytest.param(
            ServicePort(port=80, name="grpc", app_protocol="http"),
            pod("h2c", 80),
            "http1",
            id="appProtocol is believed before names",
        ),
        pytest.param(ServicePort(port=80, name="grpc-predict"), None, "h2c", id="its own name"),
        pytest.param(ServicePort(port=80, name="grpcish"), None, "http1", id="only a whole word"),
        pytest.param(
            ServicePort(port=80, target_port=9000),
            pod("h2c"),
            "h2c",
            id="the container port's name",
        ),
        pytest.param(
            ServicePort(port=80, target_port="h2c"), pod("h2c"), "h2c", id="target by its name"
        ),
        pytest.param(
            ServicePort(port=80, target_port=9001), pod("h2c"), "http1", id="another port"
        ),
    ],
)
def test_a_service_port_speaks_what_it_or_its_target_is_called(port, behind, expected):
    assert service_protocol(port, behind) == expected
