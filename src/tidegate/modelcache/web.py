"""HTTP reads with a time limit on everything: one connection, kept, and what its answers mean.

Standard library, blocking: the fetching process reads in threads, where `recv_into` and `pwrite` run beside
each other. obstore's own ranged reads were left out because some servers answer a range
with 200 and a Content-Range, and because every part here must carry If-Match and be checked
against the version that was listed.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from tidegate.modelcache.errors import BadSource, CacheError, NotThere, Refused
from tidegate.modelcache.patience import Cut, Patience

_REDIRECTS = 5
_BODY_LIMIT = 64 * 1024  # of an answer that is an error


@dataclass(frozen=True, slots=True)
class Request:
    """One GET or HEAD. The URL and headers may carry secrets: never shown."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust."""

    verify: bool = True
    ca_file: str = ""  # PEM; "": the system's

    def context(self) -> ssl.SSLContext:
        """Raises `BadSource` when the file of authorities can't be read."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as why:
            raise BadSource(f"authorities {self.ca_file!r} can't be read: {why}") from why
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Web:
    """One connection at a time to whatever host is asked. Owned by one thread."""

    def __init__(self, tls: Tls, patience: Patience) -> None:
        self._tls, self._patience = tls, patience
        self._context: ssl.SSLContext | None = None
        self._to: tuple[str, str] = ("", "")
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Drop the connection; the next request makes one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def open(self, request: Request) -> Iterator[http.client.HTTPResponse]:
        """The answer's head, redirects followed; read the body inside. Raises `Cut`, `BadSource`."""
        for _ in range(_REDIRECTS + 1):
            answer = self._ask(request)
            place = answer.getheader("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not place:
                break
            self._leave(answer)
            request = _moved(request, place)
        else:
            raise BadSource(f"{urlsplit(request.url).hostname} redirects in circles")
        try:
            yield answer
        except (OSError, http.client.HTTPException) as why:
            raise Cut(said(why)) from why
        finally:
            self._leave(answer)

    def _leave(self, answer: http.client.HTTPResponse) -> None:
        if answer.isclosed():
            return
        if answer.length is not None and answer.length <= _BODY_LIMIT:
            try:
                answer.read()
                return
            except (OSError, http.client.HTTPException):
                pass
        self.close()  # cheaper than reading a body that nobody wants

    def _ask(self, request: Request) -> http.client.HTTPResponse:
        parts = urlsplit(request.url)
        kept = self._connection is not None and self._to == (parts.scheme, parts.netloc)
        try:
            return self._send(request)
        except ConnectionRefusedError as why:
            self.close()
            raise Cut("connection refused") from why
        except (OSError, http.client.HTTPException) as why:
            self.close()
            if isinstance(why, ssl.SSLCertVerificationError):
                raise Refused(
                    f"{parts.hostname}: its certificate is not trusted ({why.verify_message}): "
                    "give its authority (CA bundle), or switch verification off"
                ) from why
            if not kept or isinstance(why, TimeoutError):
                raise Cut(said(why)) from why
        try:  # the server closed the kept connection in between: that is no failure
            return self._send(request)
        except (OSError, http.client.HTTPException) as why:
            self.close()
            raise Cut(said(why)) from why

    def _send(self, request: Request) -> http.client.HTTPResponse:
        parts = urlsplit(request.url)
        if self._connection is None or self._to != (parts.scheme, parts.netloc):
            self.close()
            self._connection = self._connect(parts.scheme, parts.netloc)
            self._to = (parts.scheme, parts.netloc)
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        if parts.scheme == "http" and self._connection.host != parts.hostname:
            target = request.url  # through a proxy
        headers = {"Accept-Encoding": "identity", "User-Agent": "tidegate", "Host": parts.netloc}
        headers.update(request.headers)
        self._connection.request(request.method, target, headers=headers)
        return self._connection.getresponse()

    def _connect(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        proxy = _proxy(scheme, netloc)
        near = urlsplit(proxy if "://" in proxy else f"//{proxy}").netloc if proxy else netloc
        connection: http.client.HTTPConnection
        if scheme == "https":
            self._context = self._context or self._tls.context()
            connection = http.client.HTTPSConnection(
                near, timeout=self._patience.connect_s, context=self._context
            )
            if proxy:
                connection.set_tunnel(netloc)
        elif scheme == "http":
            connection = http.client.HTTPConnection(near, timeout=self._patience.connect_s)
        else:
            raise BadSource(f"{scheme}://{netloc} is no address that can be asked")
        connection.connect()
        if connection.sock is not None:
            connection.sock.settimeout(self._patience.stall_s)
        return connection


def _proxy(scheme: str, netloc: str) -> str | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # 20 ms that few need

    return None if proxy_bypass(netloc) else getproxies().get(scheme)


def _moved(request: Request, place: str) -> Request:
    url = urljoin(request.url, place)
    before, after = urlsplit(request.url), urlsplit(url)
    headers = request.headers
    if (before.scheme, before.netloc) != (after.scheme, after.netloc):  # keys stay with their store
        headers = tuple((n, v) for n, v in headers if n.lower() in ("range", "if-match"))
    return Request(url, headers, request.method)


def said(why: Exception) -> str:
    """What ended a connection, in words."""
    if isinstance(why, TimeoutError):
        return "no answer in time"
    if isinstance(why, http.client.IncompleteRead):
        return "the answer ended early"
    if isinstance(why, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(why, socket.gaierror):  # "[Errno -2] Name or service not known" names no host
        return "the resolver doesn't know the host's name"
    return (
        (os.strerror(why.errno) if isinstance(why, OSError) and why.errno and why.errno > 0 else "")
        or str(why)
        or type(why).__name__
    )


def error_code(body: bytes) -> tuple[str, str]:
    """(Code, Message) of an S3, GCS or Azure error document; empty where it is none."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "", ""
    found = {node.tag.rpartition("}")[2]: (node.text or "").strip() for node in root.iter()}
    return found.get("Code", ""), " ".join(found.get("Message", "").split())


def read_error(answer: http.client.HTTPResponse) -> bytes:
    """The body of an answer that is an error, as far as it is worth reading."""
    try:
        return answer.read(_BODY_LIMIT)
    except (OSError, http.client.HTTPException):
        return b""


_CODES: dict[str, tuple[type[CacheError], str]] = {
    "NoSuchBucket": (NotThere, "there is no such bucket: mend its name, or the endpoint"),
    "ContainerNotFound": (NotThere, "there is no such container: mend its name, or the account"),
    "NoSuchKey": (NotThere, "there is no such object: mend the path"),
    "BlobNotFound": (NotThere, "there is no such object: mend the path"),
    "InvalidAccessKeyId": (Refused, "the store doesn't know the access key: mend the Secret"),
    "SignatureDoesNotMatch": (Refused, "the secret key is wrong (or the region): mend the Secret"),
    "ExpiredToken": (Refused, "the session token has expired: renew the Secret"),
    "RequestTimeTooSkewed": (Refused, "this machine's clock is off: set it"),
    "AuthorizationHeaderMalformed": (Refused, "the request was signed for another region: set it"),
    "PermanentRedirect": (Refused, "the bucket is in another region: set the region or endpoint"),
}


def refusal(what: str, answer: http.client.HTTPResponse, *, keys: bool) -> CacheError | None:
    """The error that an answer means; None: the server's trouble, worth another try.

    `what` names object and endpoint; `keys`: whether the request was signed.
    """
    body = read_error(answer)
    code, message = error_code(body)
    status = answer.status
    if code in _CODES:
        kind, words = _CODES[code]
        region = answer.getheader("x-amz-bucket-region")
        extra = f" ({region})" if region and kind is Refused else ""
        return kind(f"{what}: {words}{extra} [{code}]")
    told = f" [{status}{' ' + code if code else ''}{': ' + message if message else ''}]"
    if status in (401, 403) or (status == 400 and code and not keys):
        way = (
            "these keys may not read it: mend the Secret or the policy"
            if keys
            else ("it wants keys and none were given: name a Secret with them")
        )
        return Refused(f"{what}: {way}{told}")
    if status in (404, 410):
        return NotThere(f"{what}: there is no such thing: mend the path{told}")
    if status in (408, 425, 429) or status >= 500:
        return None
    return BadSource(f"{what}: the store answers {status} {answer.reason}{told}")
