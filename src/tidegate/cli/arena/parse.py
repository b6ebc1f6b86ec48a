"""A command line into `Options`. Raises `Usage` with Arena's words where Arena has some."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from tidegate.cli.arena.options import REFUSED, REFUSED_BY_KSERVE, Flag, Options, flags_of
from tidegate.cli.arena.types import ServeType
from tidegate.cli.errors import Usage
from tidegate.cli.help_text import columns
from tidegate.cli.tables import bold
from tidegate.kit.quantity import BadQuantity, parse_quantity


class Parser(argparse.ArgumentParser):
    """argparse, except that a mistake is ours to report and nothing is guessed from beginnings."""

    def __init__(self, program: str, about: str, example: str = "") -> None:
        super().__init__(
            prog=program,
            description=about,
            epilog=f"Example: {example}" if example else None,
            allow_abbrev=False,
        )

    def format_help(self) -> str:
        """As the other commands show theirs."""
        arguments = [action for action in self._actions if not action.option_strings]
        named = [action for action in self._actions if action.option_strings]
        flags = [action for action in named if action.help != argparse.SUPPRESS]
        words = [_argument(action) for action in arguments]
        lines = [f"Usage: {' '.join([self.prog, '[FLAGS]', *words])}", "", self.description or ""]
        for title, some in (("Arguments:", arguments), ("Flags:", flags)):
            if some:
                rows = [(_label(action), _about(action)) for action in some]
                lines += ["", bold(title), *columns(rows)]
        if self.epilog:
            lines += ["", self.epilog]
        return "\n".join(lines) + "\n"

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized") and any(a.dest == "words" for a in self._actions):
            message += " (flags of the job's own command? write it in quotes, or behind --)"
        raise Usage(f"{self.prog}: {message}; see `{self.prog} --help`")


def _label(action: argparse.Action) -> str:
    """`-n, --namespace TEXT`; old spellings are read, and not shown."""
    if not action.option_strings:
        return _argument(action)
    short = [name for name in action.option_strings if len(name) == 2]
    long = next((name for name in action.option_strings if len(name) > 2), "")
    names = ", ".join([*short, long]) if short else f"    {long}"
    if action.nargs == 0 or action.type is _boolean:
        return names
    if action.choices is not None:
        return f"{names} {'|'.join(action.choices)}"
    return f"{names} {'N' if action.type in (int, _whole) else 'TEXT'}"


def _argument(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.removesuffix("s")).upper()
    # Behind flags the parser suppresses what it will read at the end: it may be several words.
    several = "..." if action.nargs in ("*", "+", argparse.SUPPRESS) else ""
    return f"[{name}{several}]" if several == "..." and action.nargs != "+" else f"{name}{several}"


def _about(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


EXAMPLES: Mapping[str, str] = {
    "tensorflow": "--name=bert --model-name=bert --model-path=/models/bert --data=models:/models",
    "triton": "--name=iris --model-repository=/models --data=models:/models",
    "custom": '--name=web --image=python:3 --restful-port=8080 "python -m http.server 8080"',
    "kserve": "--name=iris --model-format=sklearn --storage-uri=file:///models/iris --cpu=1",
}
"""A whole submission of each type, for its help."""


def parse_submission(type_: ServeType, program: str, argv: Sequence[str]) -> tuple[Options, str]:
    """What to submit, and what to do with it: apply, or print as `yaml` or `json`."""
    parser = Parser(
        program,
        f"Submit a {type_.shown} serving job.",
        f"{program} {EXAMPLES[type_.name]}",
    )
    for flag in flags_of(type_.name):
        _add(parser, flag)
    parser.add_argument("--dry-run", action="store_true", help="print the documents instead")
    parser.add_argument(
        "-o", "--output", choices=("yaml", "json"), help="of --dry-run: yaml (default) or json"
    )
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command")
    given = _parsed(parser, argv, type_)
    output = printed_as(dry_run=given.pop("dry_run"), output=given.pop("output"))
    return options_of(given), output


def printed_as(*, dry_run: bool, output: str | None) -> str:
    """How documents are printed; empty: they are applied. Raises `Usage`."""
    if output is not None and not dry_run:
        raise Usage(f"-o {output}: only together with --dry-run, which prints the documents")
    return (output or "yaml") if dry_run else ""


def parse_change(
    type_: ServeType, program: str, argv: Sequence[str], can: Collection[str]
) -> Options:
    """The flags of an update: only what is given is changed. `can`: fields that its help shows."""
    parser = Parser(
        program,
        f"Change a {type_.shown} serving job; only the flags that are given change anything.",
        f"{program} --name=demo --image=demo:2",
    )
    for flag in flags_of(type_.name):
        _add(parser, flag if flag.field in can else replace(flag, help=argparse.SUPPRESS))
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command")
    return options_of(_parsed(parser, argv, type_))


def options_of(given: Mapping[str, Any]) -> Options:
    """Values as they came from the parser, as one frozen thing. Raises `Usage`."""
    found: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if value is not None
    }
    return Options(**found)


def pairs(texts: Sequence[str], flag: str) -> dict[str, str]:
    """`key=value` texts as a mapping. Arena drops one without `=`; here it is refused."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Usage(f"{flag} {text!r}: write it as key=value")
        found[key] = value
    return found


def mounts(texts: Sequence[str]) -> list[tuple[str, str]]:
    """`name:path` texts. Raises `Usage` in Arena's words."""
    found: list[tuple[str, str]] = []
    for text in texts:
        name, colon, path = text.partition(":")
        if not colon or ":" in path or not path:
            raise Usage(f"dataset {text} has incorrect format, should like data_name:/data0")
        if name in (known for known, _ in found):
            raise Usage(f"your PVC name: {name} is repeated")
        if len(name) < 2:
            raise Usage(f"dataset {text}: a claim's name has at least 2 characters")
        found.append((name, path))
    return found


def _parsed(parser: Parser, argv: Sequence[str], type_: ServeType) -> dict[str, Any]:
    known = REFUSED | REFUSED_BY_KSERVE if type_.kind == "InferenceService" else REFUSED
    for word in argv:
        if word == "--":
            break
        refused = known.get(word.partition("=")[0])
        if refused is not None:
            raise Usage(f"{word.partition('=')[0]}: {refused}")
    return vars(parser.parse_intermixed_args(_with_truths(argv, type_)))


def _with_truths(argv: Sequence[str], type_: ServeType) -> list[str]:
    """`--allow-metrics` as `--allow-metrics=true`: as in Arena a word after it is no value of it, but
    the command."""
    bare = {name for flag in flags_of(type_.name) if flag.takes == "bool" for name in flag.names}
    end = list(argv).index("--") if "--" in argv else len(argv)
    return [f"{word}=true" if i < end and word in bare else word for i, word in enumerate(argv)]


def _add(parser: Parser, flag: Flag) -> None:
    about = flag.help.replace("%", "%%")
    if flag.takes == "bool":
        parser.add_argument(
            *flag.names,
            dest=flag.field,
            default=False,
            type=_boolean,
            help=about,
        )
        return
    if flag.takes in ("list", "pairs"):
        parser.add_argument(*flag.names, dest=flag.field, action="append", help=about)
        return
    if flag.takes == "int":
        parser.add_argument(*flag.names, dest=flag.field, type=_whole, help=about)
        return
    type_ = _quantity(flag.names[0]) if flag.takes == "quantity" else str
    parser.add_argument(*flag.names, dest=flag.field, type=type_, help=about)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as why:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from why


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1", "t"):
        return True
    if text.lower() in ("false", "0", "f"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _quantity(name: str) -> Any:
    def read(text: str) -> str:
        try:
            parse_quantity(text)
        except BadQuantity as why:
            raise argparse.ArgumentTypeError(f"{name} is invalid") from why
        return text

    return read
