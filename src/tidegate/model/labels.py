"""Names: what Kubernetes accepts as one, and what Knative calls its children.

Every check answers with sentences in Kubernetes' own words; an empty tuple means that the text is
fine. Source: apimachinery pkg/util/validation/validation.go; knative.dev/pkg/kmeta/names.go.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

LABEL_MOST = 63
SUBDOMAIN_MOST = 253
_SHORT = 320  # longer texts are not kept: none of them is a name, and some are large

_LABEL_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_MD5_LENGTH = 32


def _rule(sentence: str, form: str, *examples: str) -> str:
    """The sentence with examples, punctuated as Kubernetes punctuates it."""
    shown = "".join(f"'{example}',  or " for example in examples[:-1]) + f"'{examples[-1]}'"
    return f"{sentence} (e.g. {shown}, regex used for validation is '{form}')"


_NOT_LABEL_1123 = _rule(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL_1123,
    "my-name",
    "123-abc",
)
_NOT_LABEL_1035 = _rule(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_NOT_SUBDOMAIN = _rule(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    "'-' or '.', and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_NOT_QUALIFIED = _rule(
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_NOT_LABEL_VALUE = _rule(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_NOT_CONFIG_KEY = _rule(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)


def dns1123_label(text: str) -> tuple[str, ...]:
    """Why this is no label such as `my-name` (namespaces, containers, volumes)."""
    return _formed(text, _LABEL_1123, _NOT_LABEL_1123, most=LABEL_MOST)


def dns1035_label(text: str) -> tuple[str, ...]:
    """Why this is no label that starts with a letter (services, everything of Knative)."""
    return _formed(text, _LABEL_1035, _NOT_LABEL_1035, most=LABEL_MOST)


def dns1123_subdomain(text: str) -> tuple[str, ...]:
    """Why this is no name such as `example.com` (most objects)."""
    return _formed(text, _SUBDOMAIN, _NOT_SUBDOMAIN, most=SUBDOMAIN_MOST)


def not_a_domain(text: str) -> tuple[str, str] | None:
    """Why this is no host of several labels such as `www.example.com`: the part that is wrong, and how.

    None: it is one. A final dot is fine. Source: `IsFullyQualifiedDomainName`.
    """
    bare = text.removesuffix(".")
    problems = dns1123_subdomain(bare)
    if problems:
        return bare, ",".join(problems)
    if "." not in bare:
        return bare, "should be a domain with at least two segments separated by dots"
    for label in bare.split("."):
        problems = dns1123_label(label)
        if problems:
            return label, ",".join(problems)
    return None


def qualified_name(text: str) -> tuple[str, ...]:
    """Why this is no `prefix/name` or `name` (keys of labels and annotations, resources)."""
    return _qualified(text) if len(text) <= _SHORT else _qualified.__wrapped__(text)


@lru_cache(maxsize=4096)
def _qualified(text: str) -> tuple[str, ...]:
    parts = text.split("/")
    if len(parts) > 2:
        return (
            "a qualified name "
            + _NOT_QUALIFIED
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        )
    problems: list[str] = []
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {why}" for why in dns1123_subdomain(parts[0])]
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > LABEL_MOST:
        problems.append(f"name part {_longest(LABEL_MOST)}")
    if not re.fullmatch(_QUALIFIED, name):
        problems.append(f"name part {_NOT_QUALIFIED}")
    return tuple(problems)


def label_value(text: str) -> tuple[str, ...]:
    return _formed(text, _LABEL_VALUE, _NOT_LABEL_VALUE, most=LABEL_MOST)


def config_key(text: str) -> tuple[str, ...]:
    """Why this is no key of a ConfigMap's or Secret's data."""
    problems = list(_formed(text, _CONFIG_KEY, _NOT_CONFIG_KEY, most=SUBDOMAIN_MOST))
    if text == ".":
        problems.append("must not be '.'")
    elif text == "..":
        problems.append("must not be '..'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return tuple(problems)


def path_segment(text: str) -> tuple[str, ...]:
    """Why this can't be one step of a URL's path."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{sign}'" for sign in ("/", "%") if sign in text)


def env_name(text: str) -> tuple[str, ...]:
    """Why this is no environment variable: printable ASCII without `=` (the rule since 1.32)."""
    if text and all(" " <= c <= "~" and c != "=" for c in text):
        return ()
    return (
        "a valid environment variable name must consist only of printable ASCII characters "
        "other than '='",
    )


def port_number(number: int) -> tuple[str, ...]:
    return () if 1 <= number <= 65535 else ("must be between 1 and 65535, inclusive",)


def port_name(text: str) -> tuple[str, ...]:
    """Why this is no name of a container's port (an IANA service name)."""
    problems = []
    if len(text) > 15:
        problems.append("must be no more than 15 bytes")
    if not re.fullmatch("[-a-z0-9]*", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        problems.append("must not begin or end with a hyphen")
    return tuple(problems)


def _formed(text: str, form: str, problem: str, *, most: int) -> tuple[str, ...]:
    """The same few names come with every write of every object: 30 ms of a cold start went into them."""
    if len(text) <= min(most, _SHORT):
        return _unformed(text, form, problem)
    problems = [_longest(most)] if len(text) > most else []
    return (*problems, *_unformed.__wrapped__(text, form, problem))


@lru_cache(maxsize=4096)
def _unformed(text: str, form: str, problem: str) -> tuple[str, ...]:
    return () if re.fullmatch(form, text) else (problem,)


def _longest(most: int) -> str:
    return f"must be no more than {most} bytes"


# --- names that Knative gives


def child_name(parent: str, suffix: str) -> str:
    """The parent's name with a suffix; over 63 characters the parent is cut and hashed.

    `svc` + `-00001` is `svc-00001`; a longer parent keeps its first characters, then its md5, then
    the suffix. A suffix that leaves no room is hashed together with the parent.
    """
    if len(parent) + len(suffix) <= LABEL_MOST:
        return parent + suffix
    room = LABEL_MOST - _MD5_LENGTH - len(suffix)
    if room > 0:
        return _ending_well(parent[:room] + _md5(parent) + suffix)
    both = parent[: LABEL_MOST - _MD5_LENGTH] + _md5(parent + suffix)
    return _ending_well(both + suffix[: LABEL_MOST - len(both)])


def revision_name(configuration: str, generation: int) -> str:
    """The revision of a Configuration's generation: `hello-00001`."""
    return child_name(configuration, f"-{generation:05d}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _ending_well(name: str) -> str:
    """Cut at the end until the name ends with a letter or digit."""
    return name.rstrip("-._")
