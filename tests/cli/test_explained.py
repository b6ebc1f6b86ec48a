"""An error of the server is told with the lines of the file that it is about."""

from tidegate.cli.apply import explained
from tidegate.cli.documents import parse_documents
from tidegate.model.errors import BadRequest, Cause, Invalid

TEXT = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/window: 1s
    spec:
      containers:
      - imagge: x
        ports:
        - containerPort: xxx
"""


def told(why):
    (document,) = parse_documents(TEXT, "s.yaml")
    return explained(document, why)


def test_an_unknown_field_is_told_with_its_line():
    why = BadRequest(
        'strict decoding error: unknown field "spec.template.spec.containers[0].imagge"'
    )
    assert told(why) == (
        "s.yaml:12: document 1, Service/hello: strict decoding error: "
        'unknown field "spec.template.spec.containers[0].imagge"'
    )


def test_a_type_error_is_told_with_its_line():
    why = BadRequest(
        "spec.template.spec.containers[0].ports[0].containerPort: expected int, got str"
    )
    assert told(why).startswith("s.yaml:14: document 1, Service/hello: ")


def test_several_fields_are_told_with_all_their_lines_and_on_one_line():
    why = BadRequest(
        "validation failed: expected 6s <= 1s <= 1h0m0s: "
        "spec.template.metadata.annotations.autoscaling.knative.dev/window\n"
        "missing field(s): spec.template.spec.containers[0].image"
    )
    assert told(why).startswith("s.yaml:9: ")
    assert told(why).endswith(
        "; missing field(s): spec.template.spec.containers[0].image (lines 9, 12)"
    )


def test_causes_name_their_fields():
    why = Invalid("Service", "hello", [Cause("FieldValueInvalid", "no", "metadata.name")])
    assert told(why).startswith("s.yaml:4: ")


def test_an_error_about_no_field_is_told_with_the_documents_line():
    assert told(BadRequest("no")) == "s.yaml:1: document 1, Service/hello: no"
