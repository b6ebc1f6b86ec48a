"""A command line that the parser refuses, in one sentence of ours."""

from __future__ import annotations

from typing import Literal, get_args, get_origin

from cyclopts import CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from tidegate.cli.errors import Usage

#: How the parser calls the types of options, and what people call them.
_TYPES = {"into int.": "into a whole number.", "into float.": "into a number."}


def refused(why: CycloptsError, name: str) -> Usage:
    """What was wrong, and where to look. `name`: the command, if the parser didn't come far enough to say."""
    command = f"tidegate {' '.join(why.command_chain or (name,))}"
    return Usage(f"{_sentence(why, command)} See `{command} --help`")


def _sentence(why: CycloptsError, command: str) -> str:
    if isinstance(why, MissingArgumentError) and why.argument is not None and not why.tokens_so_far:
        wanted, choices = why.argument.name, why.argument.hint
        if why.argument.field_info.is_positional:
            wanted = f"a {wanted.lstrip('-').upper()}"
        one_of = f" ({', '.join(get_args(choices))})" if get_origin(choices) is Literal else ""
        return f"`{command}` needs {wanted}{one_of}."
    if isinstance(why, UnusedCliTokensError):
        left = " ".join(why.unused_tokens or ())
        return f"`{command}` takes no {left!r}."
    if isinstance(why, UnknownCommandError) and (why.unused_tokens or [""])[0].startswith("-"):
        return f"`{command}` needs a COMMAND; options come after it."
    said = " ".join(str(why).split())
    for theirs, ours in _TYPES.items():
        said = said.replace(theirs, ours)
    return said
