"""Documents say here what they say to kubectl, and a broken one is named by line and column."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cli.documents import BadDocument, Document, parse_documents, read_documents
from tidegate.cli.errors import CliError
from tidegate.cli.yaml_text import to_yaml

HEAD = "apiVersion: v1\nkind: ConfigMap\n"


def only(text: str) -> Document:
    (found,) = parse_documents(text, "f.yaml")
    assert isinstance(found, Document), found
    return found


def errors(text: str) -> list[str]:
    return [str(d) for d in parse_documents(text, "f.yaml") if isinstance(d, BadDocument)]


@pytest.mark.parametrize(
    ("written", "means"),
    [
        pytest.param("0644", 420, id="a leading zero is octal, as in defaultMode"),
        pytest.param("0o644", 420, id="so is 0o"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("-12", -12, id="negative"),
        pytest.param("1_000", 1000, id="underscores"),
        pytest.param("0899", 899.0, id="no octal digits: a float, as go-yaml has it"),
        pytest.param("1e3", 1000.0, id="a float without a dot"),
        pytest.param(".5", 0.5, id="a float without a zero"),
        pytest.param("yes", True, id="yes"),
        pytest.param("off", False, id="off"),
        pytest.param('"yes"', "yes", id="quoted text stays text"),
        pytest.param("!!str 12", "12", id="tagged text stays text"),
        pytest.param("~", None, id="tilde"),
        pytest.param("1:30", "1:30", id="no base 60"),
        pytest.param("2024-01-02", "2024-01-02", id="no dates"),
        pytest.param("1.2.3", "1.2.3", id="a version"),
        pytest.param("100m", "100m", id="a quantity"),
        pytest.param("!!binary aGk=", "hi", id="binary"),
    ],
)
def test_plain_scalars_mean_what_kubectl_reads(written, means):
    value = only(f"{HEAD}x: {written}\n").value["x"]
    assert (value, type(value)) == (means, type(means))


def test_a_slash_slash_comment_is_named_by_line_and_column_with_the_way_out():
    text = f'{HEAD}metadata:\n  annotations:\n    a/b: "2m" // two minutes\n'
    assert errors(text) == [
        "f.yaml:5:15: not YAML: expected <block end>, but found '<scalar>'; "
        "`//` starts no comment in YAML, write `#`"
    ]


def test_a_broken_document_does_not_take_the_others_with_it():
    text = f"{HEAD}metadata: {{name: a}}\n---\n\tx: 1\n---\n{HEAD}metadata: {{name: b}}\n"
    first, second, third = parse_documents(text, "f.yaml")
    assert (first.name, third.name) == ("a", "b")
    assert (second.line, third.index, third.where("metadata.name").line) == (5, 3, 9)


def test_a_key_given_twice_is_refused_with_both_lines():
    assert errors(f"{HEAD}data:\n  a: 1\n  a: 2\n") == [
        "f.yaml:5:3: key 'a' is here twice, first in line 4"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Pod\n", "f.yaml:1:1: document 1 has no apiVersion: every document says both"),
        ("- a\n", "f.yaml:1:1: a document is a mapping; this is a list"),
        (
            f"{HEAD}x: .inf\n",
            "f.yaml:3:4: .inf is no number in JSON: write it in quotes if it is text",
        ),
        (f"{HEAD}x: !thing 1\n", "f.yaml:3:4: tag !thing means nothing to the API"),
        (f"{HEAD}x: &a [*a]\n", "f.yaml:3:4: nested deeper than 200 levels"),
    ],
)
def test_what_is_no_document_is_said_in_one_line(text, problem):
    assert errors(text) == [problem]


def test_aliases_that_explode_are_refused():
    bombs = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 10)}]\n" for i in range(1, 8))
    (said,) = errors(f"{HEAD}b0: &b0 [x]\n{bombs}")
    assert "more than 200000 values" in said


def test_empty_documents_and_comments_are_nothing():
    assert list(parse_documents("# nothing\n---\n---\n  \n", "f.yaml")) == []


def test_a_list_is_its_items_with_their_own_places():
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n"
    found = only(text)
    assert (found.kind, found.name, found.where("metadata.name").line) == ("Pod", "a", 7)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("spec.containers[0].image", 5),
        ("spec.containers[0].ports[0].containerPort", 4),
        ("metadata.annotations[a.b/c]", 8),
        ("metadata.annotations.a.b/c", 8),
        ("spec", 3),
    ],
)
def test_a_path_is_found_or_else_its_nearest_parent(path, line):
    text = f"{HEAD}spec:\n  containers:\n  - image: x\nmetadata:\n  annotations:\n    a.b/c: y\n"
    assert only(text).where(path).line == line + (1 if "ports" in path else 0)


def test_a_folder_gives_its_documents_in_name_order(tmp_path):
    for name in ("b.yaml", "a.yml", "c.json", "d.txt"):
        (tmp_path / name).write_text(
            f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name[0]}}}}}"
        )
    assert [d.name for d in read_documents([str(tmp_path)])] == ["a", "b", "c"]


@pytest.mark.parametrize(("name", "problem"), [("x.yaml", "no such file"), (".", "no *.yaml")])
def test_a_missing_file_and_an_empty_folder_are_errors(tmp_path, name, problem):
    with pytest.raises(CliError, match=r".*" + problem.replace("*", r"\*")):
        list(read_documents([str(tmp_path / name)]))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=20)
    | st.sampled_from(
        ["y", "no", "0644", "1e3", "1_0", "0x1", "~", "", "null", "1:30", "- a", "a\nb\n"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=60)  # each writes and parses: some milliseconds
@given(json_values)
def test_what_we_write_as_yaml_reads_back_the_same(value):
    text = to_yaml({"apiVersion": "v1", "kind": "X", "x": value})
    assert only(text).value["x"] == value
