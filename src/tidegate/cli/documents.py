"""Reading documents: files, folders and stdin into plain values that remember their lines.

The parser is ruamel.yaml's; the meaning of its nodes is ours (`scalars`), so that a document says
here what it says to kubectl. Documents of one file are read one by one: a broken one is an entry of
its own among the good ones. What the fields mean is the server's business.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tidegate.cli.errors import BadDocument, CliError
from tidegate.cli.scalars import NoJsonValue, plain_scalar

_MOST_NODES = 200_000  # aliases expanded; a document of 3 MiB, the server's limit, stays below
_MOST_LEVELS = 200  # an alias inside its own anchor would go on for ever
_MARKER = re.compile(r"---(\s.*)?")
_SUFFIXES = (".yaml", ".yml", ".json")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Place:
    """Counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. `index` counts the documents of its file from 1; `places` maps dotted
    paths (`spec.template.spec.containers[0].image`) to where their key or item stands."""

    source: str
    index: int
    value: dict[str, Any]
    places: Mapping[str, Place]

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    @property
    def api_version(self) -> str:
        return str(self.value["apiVersion"])

    @property
    def name(self) -> str:
        """metadata.name, or generateName, or empty."""
        meta = self.value.get("metadata")
        meta = meta if isinstance(meta, dict) else {}
        return str(meta.get("name") or meta.get("generateName") or "")

    @property
    def namespace(self) -> str | None:
        """None: the document leaves it open."""
        meta = self.value.get("metadata")
        found = meta.get("namespace") if isinstance(meta, dict) else None
        return str(found) if found else None

    def where(self, path: str) -> Place | None:
        """Where a path stands, or its nearest parent that is in the file. `a[b.c]` is `a.b.c`."""
        path = re.sub(r"\[(?!\d+\])\"?([^\]\"]*)\"?\]", r".\1", path).lstrip(".")
        while path:
            if path in self.places:
                return self.places[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.places.get("")


def read_documents(names: Sequence[str]) -> Iterator[Document | BadDocument]:
    """The documents of files, folders (their *.yaml, *.yml, *.json in name order) and `-` (stdin).

    Raises `CliError` for a file that isn't there or can't be read.
    """
    for name in names:
        for source, text in _texts(name):
            yield from parse_documents(text, source)


def parse_documents(text: str, source: str) -> Iterator[Document | BadDocument]:
    """The documents of one text, broken ones as errors; empty ones and comments are no documents.
    A `kind: List` is unpacked into its items."""
    index = 0
    for first_line, chunk in _chunks(text):
        try:
            node = _compose(chunk, first_line, source)
            if node is None:
                continue
            index += 1
            places: dict[str, Place] = {}
            value = _Values(source, first_line, places).of(node, "")
            place = _place(node, first_line)
            yield from _objects(value, places, source, index, place)
        except BadDocument as bad:
            index += 1
            yield bad


def _texts(name: str) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield "stdin", sys.stdin.read()
        return
    path = Path(name)
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES and p.is_file())
        if not files:
            raise CliError(f"{name}: no *.yaml, *.yml or *.json in this folder")
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8-sig")
        except FileNotFoundError as why:
            raise CliError(f"{file}: no such file") from why
        except UnicodeDecodeError as why:
            raise CliError(f"{file}: not UTF-8 text (byte {why.start})") from why
        except OSError as why:
            raise CliError(f"{file}: can't be read ({why.strerror})") from why


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """The text between `---` lines, each with the number of lines before it.

    Split before parsing, so that one broken document doesn't take the others with it. A `---` at
    the start of a line is always a marker: inside a block scalar it would be indented.
    """
    start, lines = 0, text.removesuffix("\n").split("\n")
    for number, line in enumerate([*lines, "---"]):
        if _MARKER.fullmatch(line):
            yield start, "\n".join([*lines[start:number], ""])
            start = number if line[3:].strip() else number + 1


def _compose(chunk: str, first_line: int, source: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.version = (1, 1)  # tells `!!str yes` from `yes`, see _scalar
        return yaml.compose(chunk)
    except MarkedYAMLError as why:
        mark = why.problem_mark or why.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        problem = _problem(str(why.problem or why.context), chunk, line)
        raise BadDocument(source, first_line + line + 1, column + 1, problem) from why
    except YAMLError as why:  # characters that YAML does not allow
        problem = " ".join(str(why).split())
        raise BadDocument(source, first_line + 1, 1, f"not YAML: {problem}") from why


def _problem(said: str, chunk: str, line: int) -> str:
    lines = chunk.splitlines()
    text = lines[line] if line < len(lines) else ""
    hint = ""
    if re.search(r"(^|\s)//", text):
        hint = "; `//` starts no comment in YAML, write `#`"
    elif "\t" in text[: len(text) - len(text.lstrip())] or "'\\t'" in said:
        hint = "; indent with spaces, not tabs"
    return f"not YAML: {said}{hint}"


def _place(node: Any, first_line: int) -> Place:
    return Place(first_line + node.start_mark.line + 1, node.start_mark.column + 1)


class _Values:
    """Turns the nodes of one document into plain values and notes where each path stands."""

    def __init__(self, source: str, first_line: int, places: dict[str, Place]) -> None:
        self._source, self._first_line, self._places = source, first_line, places
        self._seen = self._level = 0

    def of(self, node: Any, path: str, at: Any = None) -> Any:
        """The value of a node; `at` is the node whose place stands for it (its key), or None."""
        self._seen += 1
        if self._seen > _MOST_NODES:
            raise self._bad(node, f"more than {_MOST_NODES} values once its aliases are expanded")
        self._places[path] = _place(at or node, self._first_line)
        if node.id == "scalar":
            return self._scalar(node)
        if self._level == _MOST_LEVELS:
            raise self._bad(node, f"nested deeper than {_MOST_LEVELS} levels")
        self._level += 1
        try:
            if node.id == "mapping":
                return self._mapping(node, path)
            return [self.of(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        finally:
            self._level -= 1

    def _mapping(self, node: Any, path: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                raise self._bad(key_node, "a key must be text")
            key = key_node.value
            if key == "<<" and key_node.style is None:
                for one in value_node.value if value_node.id == "sequence" else [value_node]:
                    if one.id != "mapping":
                        raise self._bad(one, "`<<` takes a mapping or a list of mappings")
                    merged = {**self._mapping(one, path), **merged}
                continue
            if key in out:
                first = self._places[f"{path}.{key}" if path else key]
                raise self._bad(key_node, f"key {key!r} is here twice, first in line {first.line}")
            here = f"{path}.{key}" if path else key
            out[key] = self.of(value_node, here, key_node)
        return {**merged, **out}

    def _scalar(self, node: Any) -> Any:
        tag = str(node.tag or "").removeprefix(_TAG)
        try:
            if node.style is not None:  # quoted, | or >
                return _bytes(node.value) if tag == "binary" else node.value
            if tag == "str" and _other_than_text(node.value):
                return node.value  # someone wrote !!str
            if tag in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge"):
                return plain_scalar(node.value)
            if tag == "binary":
                return _bytes(node.value)
        except NoJsonValue as why:
            raise self._bad(node, str(why)) from why
        raise self._bad(node, f"tag {node.tag} means nothing to the API")

    def _bad(self, node: Any, problem: str) -> BadDocument:
        place = _place(node, self._first_line)
        return BadDocument(self._source, place.line, place.column, problem)


def _other_than_text(plain: str) -> bool:
    """Whether the parser would not have taken this for text by itself."""
    from ruamel.yaml import ScalarNode

    return str(_resolver().resolve(ScalarNode, plain, (True, False))) != f"{_TAG}str"


@lru_cache(maxsize=1)
def _resolver() -> Any:
    from ruamel.yaml.resolver import VersionedResolver

    return VersionedResolver(version=(1, 1))


def _bytes(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")


def _objects(
    value: Any, places: Mapping[str, Place], source: str, index: int, place: Place
) -> Iterator[Document | BadDocument]:
    if not isinstance(value, dict):
        what = "a list" if isinstance(value, list) else repr(value)
        yield BadDocument(
            source, place.line, place.column, f"a document is a mapping; this is {what}"
        )
        return
    missing = [field for field in ("apiVersion", "kind") if not isinstance(value.get(field), str)]
    if missing:
        problem = f"document {index} has no {' and no '.join(missing)}: every document says both"
        yield BadDocument(source, place.line, place.column, problem)
        return
    if value["kind"] == "List" and isinstance(value.get("items"), list):
        for i, item in enumerate(value["items"]):
            prefix = f"items[{i}]"
            inner = {
                path.removeprefix(prefix).lstrip("."): at
                for path, at in places.items()
                if path == prefix or path.startswith((prefix + ".", prefix + "["))
            }
            yield from _objects(item, inner, source, index, inner.get("", place))
        return
    yield Document(source, index, value, places)
