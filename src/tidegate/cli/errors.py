"""What the commands refuse, each with the exit code that goes with it.

CliError 1
  ├── Usage 2            the command line itself makes no sense
  ├── BadDocument        a file that can't be read as a document (names file, line, column)
  ├── Told               several lines, printed as they are
  └── Several            a command that did some of its work: each failure was printed already

Errors of the API (`model.errors`) and of the keeper (`link`) come through as they are; `main` turns
all of them into one line on stderr.
"""

from __future__ import annotations


class CliError(Exception):
    """One sentence that names the object, what was wrong and the way out."""

    exit_code = 1


class Usage(CliError):
    """The command line asks for something that can't be."""

    exit_code = 2


class BadDocument(CliError):
    """A place in a file that is no document. Lines and columns count from 1; 0 means unknown."""

    def __init__(self, source: str, line: int, column: int, problem: str) -> None:
        self.source, self.line, self.column, self.problem = source, line, column, problem
        place = f"{source}:{line}:{column}" if line else source
        super().__init__(f"{place}: {problem}")


class Told(CliError):
    """Several lines that are printed as they are: another tool's own words, with a table in them."""


class Several(CliError):
    """Some of the work failed and was reported where it happened; prints nothing more."""

    def __init__(self, failed: int) -> None:
        self.failed = failed
        super().__init__("")


def one_line(why: Exception) -> str:
    """The words of an error on one line; several lines (Knative's webhook) become clauses."""
    return "; ".join(line.strip() for line in str(why).splitlines() if line.strip())
