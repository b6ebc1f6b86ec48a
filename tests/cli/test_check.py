"""What `tidegate check` says, without an engine."""

import json

import pytest

from tidegate.cli.check import Checker
from tidegate.cli.documents import parse_documents
from tidegate.cli.main import main
from tidegate.model.kinds import KINDS

GOOD = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
spec:
  template:
    spec:
      containers:
      - image: greeter:1
"""
NOTED = f"""\
{GOOD}\
        imagePullPolicy: Always
      nodeSelector: {{disk: ssd}}
"""
MISSPELT = GOOD.replace("image:", "imagge:")
NO_IMAGE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main}]}
"""


def found(text, namespace=None):
    documents = list(parse_documents(text, "s.yaml"))
    checker = Checker(documents, None, namespace)
    return [checker.look_at(document) for document in documents]


def lines(text):
    return [line for finding in found(text) for line in finding.lines]


def run(tmp_path, text, *options):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return main(["check", "-f", str(file), "--data-dir", str(tmp_path / "home"), *options])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(GOOD, 0, id="accepted without a word"),
        pytest.param(NOTED, 1, id="accepted with warnings"),
        pytest.param(MISSPELT, 2, id="an unknown field"),
        pytest.param(NO_IMAGE, 2, id="a rule broken"),
        pytest.param(f"{NOTED}---\n{MISSPELT}", 2, id="the worst one counts"),
        pytest.param("a: [", 2, id="no YAML"),
        pytest.param("apiVersion: v1\nkind: Thing\nmetadata: {name: x}\n", 2, id="no such kind"),
    ],
)
def test_the_exit_code_tells_the_worst_of_all_documents(tmp_path, text, code):
    assert run(tmp_path, text) == code


def test_each_line_has_its_place_and_a_word_to_search_for(tmp_path, capsys):
    run(tmp_path, f"{GOOD}---\n{MISSPELT}")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("ok       ")
    assert first.endswith("s.yaml:1: service.serving.knative.dev/hello")
    assert second.startswith("refused  ")
    assert "s.yaml:19: document 2, Service/hello: " in second


def test_a_field_without_effect_in_a_container_is_named_with_its_line():
    (said,) = lines(NOTED)
    assert said.startswith(
        "s.yaml:10: document 1, Service/hello: "
        "spec.template.spec.containers[0].imagePullPolicy: honoured in containers; a process"
    )


def test_a_broken_rule_is_told_in_the_servers_words():
    (said,) = lines(NO_IMAGE)
    assert 'Deployment.apps "web" is invalid: ' in said
    assert "spec.template.spec.containers[0].image: Required value" in said
    assert said.startswith("s.yaml:8: ")


def test_settings_among_the_documents_count():
    settings = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: config-features, namespace: knative-serving}
data: {kubernetes.podspec-nodeselector: disabled}
"""
    refused = [finding.verdict for finding in found(f"{settings}---\n{NOTED}")]
    assert refused == [0, 2]


def test_a_generated_name_is_a_name():
    assert [f.verdict for f in found(GOOD.replace("name: hello", "generateName: hello-"))] == [0]


def test_two_namespaces_for_one_document_are_one_too_many():
    text = GOOD.replace("name: hello", "name: hello\n  namespace: a")
    (finding,) = found(text, namespace="b")
    assert finding.verdict == 2
    assert "use one" in finding.lines[0]


def test_documents_in_json_and_lists_are_checked_too(tmp_path):
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    ]
    assert run(tmp_path, json.dumps({"apiVersion": "v1", "kind": "List", "items": items})) == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource)
def test_a_document_of_any_kind_without_anything_gets_an_answer(kind):
    text = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {{name: x}}\n"
    assert [finding.verdict in (0, 1, 2) for finding in found(text)] == [True]


def test_a_role_is_refused_with_what_to_use_instead():
    text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\n"
    (finding,) = found(text)
    assert finding.verdict == 2
    assert "tidegate token create --role view" in finding.lines[0]


def test_no_file_is_a_wrong_command_line():
    assert main(["check"]) == 2
