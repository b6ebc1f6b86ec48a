"""`get -o jsonpath=...`: what kubectl prints for the same template."""

import pytest

from tidegate.cli.errors import Usage
from tidegate.cli.jsonpath import render
from tidegate.cli.main import main

SERVICE = {
    "metadata": {"name": "iris", "labels": {"a.b/c": "d"}},
    "spec": {"traffic": [{"percent": 90, "latest": True}, {"percent": 10}]},
    "status": {"conditions": [{"type": "Routes", "status": "False"}, {"type": "Ready", "status": "True"}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.metadata.name}", "iris"),
        (".metadata.name", "iris"),
        ("name: {.metadata.name}{'{'}", "name: iris{"),
        ('{.metadata.name}{"\\t"}{.spec.traffic[0].percent}{"\\n"}', "iris\t90\n"),
        ("{.spec.traffic[*].percent}", "90 10"),
        ("{.spec.traffic[0].latest}", "true"),
        ("{.spec.traffic[1]}", '{"percent":10}'),
        (r"{.metadata.labels.a\.b/c}", "d"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.url}", ""),
        ("{.metadata.name", None),
        ("{range .items[*]}{.x}{end}", None),
        ('{"\\q"}', None),
    ],
)
def test_a_template_is_filled_in_or_refused(template, text):
    if text is None:
        with pytest.raises(Usage):
            render(template, SERVICE)
    else:
        assert render(template, SERVICE) == text


def test_an_output_that_get_does_not_know_is_refused_with_those_it_does(capsys):
    assert main(["get", "ksvc", "-o", "nope"]) == 2
    said = "tidegate: -o nope: table, wide, json, yaml, name or jsonpath={.path}\n"
    assert capsys.readouterr().err == said
