"""The API over HTTPS, blocking: what the command line uses.

Standard library only and quick to import. Documents are plain JSON values here; errors are the
same `model.errors` types that the server raised, rebuilt from their Status.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import select
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tidegate.model import errors
from tidegate.model.errors import ApiError

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class NoApi(ApiError):
    """Nobody answers where the engine should be."""

    code, reason = 503, "ServiceUnavailable"


class BadKubeconfig(ApiError):
    """The file is missing, or has no cluster and user that can be used."""

    code, reason = 400, "BadRequest"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and how to be let in. `ca` is PEM, None: the system's; `token` None: none."""

    server: str
    ca: str | None = None
    token: str | None = field(default=None, repr=False)
    namespace: str = "default"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what the server warned of."""

    body: Any
    warnings: tuple[str, ...] = ()


def read_kubeconfig(path: Path) -> Access:
    """The current context of a kubeconfig. Raises BadKubeconfig; NoApi when there is no file."""
    try:
        text = path.read_text()
    except FileNotFoundError as why:
        raise NoApi(f"there is no {path}: start the engine with `tidegate up`") from why
    from ruamel.yaml import YAML  # slow to import, and only this function needs it
    from ruamel.yaml.error import YAMLError

    try:
        config = YAML(typ="safe", pure=True).load(text)
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
        ca = cluster.get("certificate-authority-data")
        return Access(
            server=cluster["server"],
            ca=base64.b64decode(ca).decode() if ca else None,
            token=user.get("token"),
            namespace=context.get("namespace") or "default",
        )
    except (YAMLError, LookupError, TypeError, ValueError) as why:
        raise BadKubeconfig(f"{path} is no usable kubeconfig ({why!r})") from why


class Client:
    """One connection at a time, kept open between requests. Not for several threads.

    `path_of` makes the paths that the methods take. All raise ApiErrors.
    """

    def __init__(self, access: Access, *, timeout_s: float = 30.0) -> None:
        self.access, self._timeout_s = access, timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """An object, a list, or any other JSON answer."""
        return self._ask("GET", path, query).body

    def create(
        self, path: str, obj: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> Answer:
        return self._ask("POST", path, query, body=obj)

    def update(
        self, path: str, obj: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> Answer:
        return self._ask("PUT", path, query, body=obj)

    def patch(
        self,
        path: str,
        patch: Any,
        query: Mapping[str, str] | None = None,
        *,
        media: str = MERGE_PATCH,
    ) -> Answer:
        return self._ask("PATCH", path, query, body=patch, media=media)

    def delete(
        self, path: str, *, propagation: str = "Background", grace_s: int | None = None
    ) -> Any:
        """The object if it lives on for now, else a Status."""
        options: dict[str, Any] = {"propagationPolicy": propagation}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        return self._ask("DELETE", path, None, body=options).body

    def watch(
        self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float | None = None
    ) -> Iterator[tuple[str, Any]]:
        """(type, object) of each event, until the server ends the stream or `timeout_s` is over.

        An ERROR event is raised as its error. `query` may say `resourceVersion`: only what came
        after it; without, the current objects come first.
        """
        asked = {**(query or {}), "watch": "true"}
        if timeout_s is not None:
            asked["timeoutSeconds"] = str(max(1, int(timeout_s)))
        with self._stream(path, asked) as response:
            while line := _line(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of(event["object"])
                yield event["type"], event["object"]

    def lines(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The bytes of a log as they come, in lines."""
        with self._stream(path, query or {}) as response:
            while line := _line(response):
                yield line

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        *,
        body: Any = None,
        media: str = "application/json",
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        return self.send_raw(method, path, data, media, query)

    def send_raw(
        self,
        method: str,
        path: str,
        data: bytes | None,
        media: str,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request, with a body as it is (`media` says what it is)."""
        headers = self._headers() | ({"Content-Type": media} if data is not None else {})
        target = _with_query(path, query)
        response = self._send(method, target, data, headers)
        try:
            raw = response.read()
        except OSError as why:
            self.close()
            raise self._gone(why) from why
        if response.will_close:
            self.close()
        _raise_for(response.status, raw)
        warnings = tuple(
            match[1].replace('\\"', '"').replace("\\\\", "\\")
            for value in response.headers.get_all("Warning") or ()
            if (match := _WARNING.match(value))
        )
        return Answer(json.loads(raw) if raw[:1] in b"{[" else raw.decode(), warnings)

    def _send(
        self, method: str, target: str, data: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """A kept connection may have been closed by the other end. That is looked for first; a GET
        that broke off all the same is sent once more, a write never is."""
        if self._connection is not None and _is_closed(self._connection):
            self.close()
        again = self._connection is not None and method == "GET"
        try:
            connection = self._connection or self._connect(self._timeout_s)
            self._connection = connection
            connection.request(method, target, data, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as why:
            self.close()
            if again and not isinstance(why, TimeoutError):
                return self._send(method, target, data, headers)
            raise self._gone(why) from why

    @contextmanager
    def _stream(self, path: str, query: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """A connection of its own, without a time limit between lines."""
        connection = self._connect(None)
        try:
            connection.request("GET", _with_query(path, query), headers=self._headers())
            response = connection.getresponse()
            if response.status >= 400:
                _raise_for(response.status, response.read())
            yield response
        except (OSError, http.client.HTTPException) as why:
            raise self._gone(why) from why
        finally:
            connection.close()

    def _connect(self, timeout_s: float | None) -> http.client.HTTPConnection:
        url = urlsplit(self.access.server)
        host, port = url.hostname or "127.0.0.1", url.port
        if url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        context = ssl.create_default_context(cadata=self.access.ca)
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "tidegate"}
        if self.access.token:
            headers["Authorization"] = f"Bearer {self.access.token}"
        return headers

    def _gone(self, why: Exception) -> NoApi:
        server = self.access.server
        if isinstance(why, ssl.SSLCertVerificationError):
            return NoApi(
                f"the API at {server} shows a certificate that this kubeconfig does not know: "
                "it belongs to another engine, or the kubeconfig is old"
            )
        if isinstance(why, ConnectionRefusedError):
            return NoApi(f"no API at {server}: start the engine with `tidegate up`")
        if isinstance(why, TimeoutError):
            late = f"the API at {server} did not answer in {self._timeout_s:g} s"
            return NoApi(f"{late}: `tidegate status` shows whether its control plane runs")
        return NoApi(f"the API at {server} broke off ({why}): is the engine still running?")


def path_of(
    api_version: str,
    plural: str,
    namespace: str | None = None,
    name: str | None = None,
    subresource: str | None = None,
) -> str:
    """`/apis/apps/v1/namespaces/default/deployments/web/scale`. `namespace` None: a kind outside
    namespaces, or all of them; `name` None: the collection."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    steps = [root]
    if namespace:
        steps += ["namespaces", quote(namespace, safe="")]
    steps += [plural, *(quote(s, safe="") for s in (name, subresource) if s)]
    return "/".join(steps)


def error_of(status: Mapping[str, Any]) -> ApiError:
    """The error that a Status tells of, as the type that the server raised."""
    type_ = _BY_REASON.get(status.get("reason") or "", ApiError)
    code = int(status.get("code") or type_.code)
    message, details = str(status.get("message", "")), status.get("details")
    # made without __init__: the sentence is the server's, whatever facts it was made from
    error = type_.__new__(type_)
    ApiError.__init__(error, message, details=dict(details) if details else None)
    if code != type_.code or type_ is ApiError:
        error.code, error.reason = code, str(status.get("reason", type_.reason))
    details = details or {}
    if issubclass(type_, errors.NotFound | errors.AlreadyExists | errors.Conflict):
        plural, group = details.get("kind", ""), details.get("group", "")
        error.resource = f"{plural}.{group}" if group else plural  # type: ignore[attr-defined]
        error.name = details.get("name", "")  # type: ignore[attr-defined]
    if issubclass(type_, errors.Invalid):
        error.causes = tuple(  # type: ignore[attr-defined]
            errors.Cause(c.get("reason", ""), c.get("message", ""), c.get("field", ""))
            for c in details.get("causes") or ()
        )
        error.kind = details.get("kind", "")  # type: ignore[attr-defined]
        error.name = details.get("name", "")  # type: ignore[attr-defined]
    return error


_BY_REASON: Mapping[str, type[ApiError]] = {
    type_.reason: type_
    for type_ in (
        errors.BadRequest,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.AlreadyExists,
        errors.Conflict,
        errors.Expired,
        errors.TooLarge,
        errors.UnsupportedMedia,
        errors.Invalid,
        errors.Timeout,
        errors.StorageFull,
    )
}


def _raise_for(code: int, raw: bytes) -> None:
    if code < 400:
        return
    try:
        status = json.loads(raw)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {"message": raw.decode("utf-8", "replace")[:500], "reason": "", "code": code}
    raise error_of(status)


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Nothing is expected between answers: something to read then is the end."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)


def _named(config: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    entries: Sequence[Mapping[str, Any]] = config[section]
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(f"{section}: {name}")


def _with_query(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _line(response: http.client.HTTPResponse) -> bytes:
    """The next line, empty at the end of the stream."""
    return response.readline()
