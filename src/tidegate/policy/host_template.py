"""The templates of config-network that make host names: a small part of Go's text/template.

Understood are `{{.Name}}` and its like, `{{index .Labels "key"}}` and `{{.Labels.key}}`, the same
for Annotations. Everything else (conditions, pipelines, functions) is refused where the map is
written, so that no host is ever half a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.policy.go_values import BadValue

_ACTION = re.compile(
    r"\{\{\s*(?:\.(?P<field>[A-Z]\w*)(?:\.(?P<member>\w+))?"
    r'|index\s+\.(?P<map>[A-Z]\w*)\s+(?:"(?P<key>[^"]*)"|`(?P<raw>[^`]*)`))\s*\}\}'
)


@dataclass(frozen=True, slots=True)
class Names:
    """What a template may use. `texts` are its plain fields, `maps` Labels and Annotations."""

    texts: Mapping[str, str]
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def check_template(text: str, fields: Iterable[str], maps: Iterable[str]) -> str:
    """The template as it is. Raises `BadValue` for what can't be filled in."""
    rest = _ACTION.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise BadValue(
            f"template {text!r} uses more than fields such as {{{{.Name}}}} and "
            '{{index .Annotations "key"}}'
        )
    known, mappings = frozenset(fields), frozenset(maps)
    for match in _ACTION.finditer(text):
        plain = match["field"] if match["member"] is None else None
        mapping = match["map"] or (match["field"] if match["member"] is not None else None)
        if (plain is not None and plain not in known) or (
            mapping is not None and mapping not in mappings
        ):
            listed = ", ".join(sorted(known | mappings))
            raise BadValue(f"template {text!r} uses {match[0]}; there are {listed}")
    return text


def fill_in(template: str, names: Names) -> str:
    """The text with every action replaced. A key that isn't there gives nothing."""

    def value(match: re.Match[str]) -> str:
        if match["map"]:
            key = match["key"] if match["key"] is not None else match["raw"]
            return names.maps.get(match["map"], {}).get(key, "")
        if match["member"] is not None:
            return names.maps.get(match["field"], {}).get(match["member"], "")
        return names.texts.get(match["field"], "")

    return _ACTION.sub(value, template)
