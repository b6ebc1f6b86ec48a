"""Names: Kubernetes' forms and Knative's child names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model import labels

NOT_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
NOT_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
NOT_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("rule", "text", "problems"),
    [
        pytest.param(labels.dns1035_label, "web", (), id="a plain label"),
        pytest.param(labels.dns1035_label, "1web", (NOT_1035,), id="starts with a digit"),
        pytest.param(labels.dns1035_label, "web\n", (NOT_1035,), id="ends with a line feed"),
        pytest.param(
            labels.dns1035_label, "a" * 64, ("must be no more than 63 bytes",), id="too long"
        ),
        pytest.param(labels.dns1123_label, "1web", (), id="1123 may start with a digit"),
        pytest.param(labels.dns1123_subdomain, "a.b-c", (), id="a subdomain"),
        pytest.param(labels.dns1123_subdomain, "A_b", (NOT_SUBDOMAIN,), id="not a subdomain"),
        pytest.param(labels.label_value, "", (), id="an empty label value"),
        pytest.param(labels.label_value, "a b", (NOT_LABEL_VALUE,), id="a label value with space"),
        pytest.param(
            labels.qualified_name, "/x", ("prefix part must be non-empty",), id="empty prefix"
        ),
        pytest.param(labels.qualified_name, "nvidia.com/gpu", (), id="a resource"),
        pytest.param(labels.config_key, "..", ("must not be '..'",), id="a key that climbs"),
        pytest.param(labels.config_key, ".dockerconfigjson", (), id="a hidden key"),
        pytest.param(
            labels.port_name,
            "8080",
            ("must contain at least one letter (a-z)",),
            id="a port name of digits",
        ),
        pytest.param(
            labels.port_number, 0, ("must be between 1 and 65535, inclusive",), id="port 0"
        ),
    ],
)
def test_a_name_is_judged_in_kubernetes_words(rule, text, problems):
    assert rule(text) == problems


@pytest.mark.parametrize(
    ("parent", "suffix", "name"),
    [
        ("svc", "-00001", "svc-00001"),
        ("a" * 57, "-00001", "a" * 57 + "-00001"),
        ("a" * 58, "-00001", "a" * 25 + "dc2f2f2462a0d72358b2f99389458606" + "-00001"),
    ],
    ids=["fits", "just fits", "hashed"],
)
def test_a_child_is_named_after_its_parent(parent, suffix, name):
    assert labels.child_name(parent, suffix) == name


def test_revisions_count_in_five_digits():
    assert labels.revision_name("hello", 1) == "hello-00001"
    assert labels.revision_name("hello", 123456) == "hello-123456"


@given(
    st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"-[a-z0-9]{1,60}", fullmatch=True),
)
def test_a_child_of_a_valid_parent_always_has_a_valid_name(parent, suffix):
    assert labels.dns1035_label(labels.child_name(parent, suffix)) == ()
