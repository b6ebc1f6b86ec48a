"""What can be wrong with a request to a model, and the HTTP status that says so.

    ProtocolError
    ├── BadRequest         400  the caller must change the request
    ├── WrongKey           401
    ├── NoSuchPath         404
    ├── UnknownModel       404
    ├── WrongMethod        405
    ├── TooLarge           413
    ├── InferenceFailed    500  the model itself failed
    ├── NotImplementedHere 501  known to the protocol, not served by this server
    └── ModelNotReady      503

The sentences for unknown and unready models are KServe's, word for word
(kserve python/kserve/kserve/errors.py): clients and its e2e tests look for them.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """A request that gets no prediction. `code` is the HTTP status of the answer."""

    code = 500
    kind = "server_error"  # the `type` of OpenAI's error object


class BadRequest(ProtocolError):
    """The request is wrong. `field` is the path inside the body (`inputs[0].shape`), or None."""

    code = 400
    kind = "invalid_request_error"

    def __init__(self, why: str, *, field: str | None = None) -> None:
        self.why, self.field = why, field
        super().__init__(f"{field}: {why}" if field else why)


class NoSuchPath(ProtocolError):
    """Nothing is served at this path. `speaks` names the paths that are."""

    code = 404
    kind = "not_found_error"

    def __init__(self, path: str, *, speaks: str) -> None:
        self.path = path
        super().__init__(f"Nothing is served at {path}: this server answers {speaks}.")


class UnknownModel(ProtocolError):
    """The request names a model that this server does not have."""

    code = 404
    kind = "not_found_error"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Model with name {name} does not exist.")


class WrongMethod(ProtocolError):
    """The path exists, for another method. `allow` is the `Allow` header."""

    code = 405
    kind = "invalid_request_error"

    def __init__(self, method: str, path: str, *, allow: str) -> None:
        self.method, self.path, self.allow = method, path, allow
        super().__init__(f"{path} does not take {method}: send {allow}.")


class WrongKey(ProtocolError):
    """The server wants one of its API keys. The sentence is llama.cpp's."""

    code = 401
    kind = "authentication_error"

    def __init__(self) -> None:
        super().__init__("Invalid API Key")


class TooLarge(ProtocolError):
    """The body is longer than the server was told to take."""

    code = 413
    kind = "invalid_request_error"

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"The body is longer than the {limit_bytes} bytes this server takes.")


class InferenceFailed(ProtocolError):
    """The model failed on a request that looked right."""

    code = 500


class NotImplementedHere(ProtocolError):
    """The protocol has it, this server or model does not."""

    code = 501
    kind = "not_supported_error"


class ModelNotReady(ProtocolError):
    """The model is loading, or the server is stopping."""

    code = 503
    kind = "unavailable_error"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Model with name {name} is not ready.")
