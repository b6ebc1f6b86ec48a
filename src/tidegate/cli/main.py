"""`tidegate`: finds the command, runs it, turns every error into one line and an exit code.

0 done; 1 it could not be done (the line says why and what to do); 2 the command line is wrong;
130 interrupted. TIDEGATE_DEBUG in the environment shows the traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidegate.cli.catalog import COMMANDS, Command, overview
from tidegate.cli.errors import CliError, Told, Usage, one_line

if TYPE_CHECKING:
    from cyclopts import App

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (None: this process's); the exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(tokens))


def guarded(work: Callable[[], int]) -> int:
    """The exit code of some work; whatever it raises becomes one line on stderr."""
    try:
        code = work()
        sys.stdout.flush()  # here, where a reader that left can still be answered
        return code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as why:
        if os.environ.get("TIDEGATE_DEBUG"):
            raise
        return _report(why)


def _run(tokens: list[str]) -> int:
    from tidegate import __version__

    if not tokens or tokens[0] in ("--help", "-h", "help"):
        if tokens[1:] and tokens[0] == "help":
            return _run([*tokens[1:], "--help"])
        print(overview(__version__))
        return 0
    if tokens[0] in ("--version", "-V", "version"):
        print(f"tidegate {__version__}")
        return 0
    command = COMMANDS.get(tokens[0])
    if command is None:
        raise Usage(_unknown(tokens[0]))
    return _call(command, tokens[1:])


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `tidegate {near[0]}`?" if near else "`tidegate --help` lists them"
    return f"no command {name!r}: {hint}"


def found(command: Command) -> Any:
    """The function behind a command, or the `App` of its own commands; imports its module."""
    module, _, name = command.target.partition(":")
    return getattr(import_module(f"tidegate.cli.{module}"), name)


def app_with(commands: Sequence[Command]) -> App:
    """The command line parser, knowing these commands only."""
    from cyclopts import App, Parameter

    from tidegate.cli.help_text import HelpText
    from tidegate.cli.options import ARGUMENTS, OPTIONS

    app = App(
        name="tidegate",
        default_parameter=Parameter(negative=()),  # no --no-x, no --empty-x, where none is said
        help_format="plaintext",
        version_flags=(),
        print_error=False,
        exit_on_error=False,
        help_formatter=HelpText(),
        group_arguments=ARGUMENTS,
        group_parameters=OPTIONS,
        result_action="return_value",
    )
    for command in commands:
        app.command(found(command), name=command.name)
    return app


def _call(command: Command, tokens: list[str]) -> int:
    from cyclopts import CycloptsError

    if command.raw:
        return int(found(command)(*tokens))
    if command.name == "load":
        from tidegate.cli.load import two_dashes

        tokens = two_dashes(tokens)
    app = app_with([command])
    parts = app[command.name]
    if not tokens or tokens[0] in app.help_flags:
        parts.resolved_commands()  # their summaries are in their modules
    try:
        result = app([command.name, *tokens])
    except CycloptsError as why:
        from tidegate.cli.refused import refused

        raise refused(why, command.name) from why
    return result if isinstance(result, int) else 0


def _report(why: Exception) -> int:
    if isinstance(why, Told):
        print(why, file=sys.stderr)
        return why.exit_code
    text = one_line(why) or ("" if isinstance(why, CliError) else type(why).__name__)
    if text:
        print(f"tidegate: {text}", file=sys.stderr)
    return why.exit_code if isinstance(why, CliError) else 1


if __name__ == "__main__":
    sys.exit(main())
