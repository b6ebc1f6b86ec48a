"""A script for `sh -c` that is one plain command, read as the words that the shell would make of it.

Tools such as Arena write every command line as `sh -c "python -m server --http_port=8080"`. Only
words can be understood (which program it is, which ports and paths it names), so a script that needs
no shell is taken apart; any other stays with the shell. Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash"})
#: What means something to a shell outside quotes: lists, expansions, globs, comments, negation.
_SYNTAX = frozenset(";|&<>$(){}*?~`[]#!\n\\")
_IN_DOUBLE_QUOTES = frozenset("$`\\")
#: Words that the shell answers itself, where a program of the same name does something else or is none.
_OWN = """. : alias bg break cd command continue echo eval exit export false fg getopts hash jobs kill
    let local printf pwd read readonly return set shift source test times trap true type ulimit umask
    unalias unset wait if then else elif fi for while until do done case esac in function select time"""
_OWN_WORDS = frozenset(_OWN.split())


def script_of(argv: Sequence[str]) -> str | None:
    """The script of `sh -c SCRIPT`; None for any other command line."""
    if len(argv) == 3 and argv[0] in _SHELLS and argv[1] == "-c":
        return argv[2]
    return None


def simple_command(script: str) -> tuple[str, ...] | None:
    """Its words (without a leading `exec`); None when it needs a shell."""
    if _has_syntax(script):
        return None
    try:
        words = shlex.split(script)
    except ValueError:  # an open quote: the shell says so better
        return None
    if words and words[0] == "exec":
        words = words[1:]
    if not words or words[0] in _OWN_WORDS or words[0].startswith("-") or "=" in words[0]:
        return None
    return tuple(words)


def _has_syntax(script: str) -> bool:
    quote = ""
    for char in script.strip():
        if quote == "'":
            quote = "" if char == "'" else quote
        elif quote == '"':
            if char in _IN_DOUBLE_QUOTES:
                return True
            quote = "" if char == '"' else quote
        elif char in _SYNTAX:
            return True
        elif char in "'\"":
            quote = char
    return False
