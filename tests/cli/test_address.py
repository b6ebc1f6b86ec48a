"""Names of services on a command line."""

import pytest

from tidegate.cli.address import Named, named
from tidegate.cli.errors import Usage


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("iris", Named(None, "iris", "", None)),
        ("iris/v1/models", Named(None, "iris", "", "/v1/models")),
        ("isvc/iris/v1", Named("isvc", "iris", "", "/v1")),
        ("svc/web:8081/x", Named("svc", "web", "8081", "/x")),
        ("web:8081", Named("svc", "web", "8081", None)),
        ("ksvc", Named(None, "ksvc", "", None)),  # a service may be called so
        ("iris/", Named(None, "iris", "", None)),
    ],
)
def test_a_name_says_which_kind_port_and_path_are_meant(text, means):
    assert named(text) == means


@pytest.mark.parametrize("text", ["", "/v1", "ksvc/", ":80", "ksvc/iris:80", "isvc/iris:80/x"])
def test_what_names_no_service_or_a_port_that_it_can_not_have_is_refused(text):
    with pytest.raises(Usage):
        named(text)
