"""Why a model server could not start. Each is one line on stderr and an exit code, no traceback.

    StartError
    ├── BadFlag           2  the command line or the environment asks for something we can't do
    ├── NotTrusted        2  the file runs code when it is loaded, and nobody said that it may
    ├── FrameworkMissing  3  a library is not installed
    ├── ModelFileMissing  4
    ├── ModelFileBroken   5
    └── CannotListen      6

Exit codes differ so that a script can tell them apart; 1 stays for what we did not foresee.
"""

from __future__ import annotations


class StartError(Exception):
    """The server did not start. The sentence names the object, what was wrong and the way out."""

    exit_code = 1


class BadFlag(StartError):
    """A flag (or variable) that is unknown, malformed, or asks for what is not served here."""

    exit_code = 2

    def __init__(self, flag: str, why: str) -> None:
        self.flag, self.why = flag, why
        super().__init__(f"{flag}: {why}")


class NotTrusted(StartError):
    """A pickle is code."""

    exit_code = 2

    def __init__(self, path: str, *, way: str = "`--trust`") -> None:
        self.path = path
        super().__init__(
            f"{path} is a pickle, and loading a pickle runs the code inside it: "
            f"say that you trust it ({way}), or convert it to ONNX"
        )


class FrameworkMissing(StartError):
    """`library` is not installed; `extra` is the extra of ours that brings it."""

    exit_code = 3

    def __init__(self, library: str, *, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(
            f"{library} is not installed in this Python: pip install 'tidegate[{extra}]'"
        )


class ModelFileMissing(StartError):
    """No model where one was promised."""

    exit_code = 4

    def __init__(self, path: str, wanted: str) -> None:
        self.path = path
        super().__init__(f"no model at {path}: {wanted}")


class ModelFileBroken(StartError):
    """The file is there and can't be loaded."""

    exit_code = 5

    def __init__(self, path: str, why: str, *, way_out: str) -> None:
        self.path, self.why = path, why
        super().__init__(f"can't load the model {path}: {why}; {way_out}")


class CannotListen(StartError):
    """The address is taken, or not ours."""

    exit_code = 6

    def __init__(self, host: str, port: int, why: str) -> None:
        self.host, self.port = host, port
        super().__init__(f"can't listen on {host}:{port}: {why}; choose another with a port flag")
