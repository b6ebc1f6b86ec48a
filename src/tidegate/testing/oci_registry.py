"""A registry of one image: an OCI layout folder served over plain HTTP, with or without a login.

For podman and docker in tests. Counts what was asked for.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    """`host` is what stands before the first slash of an image's name. `gets` counts by kind of
    thing: manifests, blobs."""

    host: str
    gets: Counter[str] = field(default_factory=Counter)


@contextmanager
def oci_registry(layout: Path, *, login: str | None = None) -> Iterator[Registry]:
    """Every repository and tag is the image of `layout`. `login`: `user:password`; None: anyone."""
    server = _Server(layout, login)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    def __init__(self, layout: Path, login: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = Registry(f"127.0.0.1:{self.server_address[1]}")
        self.layout = layout
        self.newest: str = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        wanted = None if login is None else base64.b64encode(login.encode()).decode()
        self.wanted = None if wanted is None else f"Basic {wanted}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self, *, with_body: bool) -> None:
        server = self.server
        assert isinstance(server, _Server)
        if server.wanted not in (None, self.headers.get("Authorization")):
            self._send(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', "application/json")
            return
        *_, kind, name = ["", *self.path.strip("/").split("/")]
        if kind not in ("manifests", "blobs"):
            self._send(200, b"{}", "application/json")
            return
        digest = name if ":" in name else server.newest
        blob = server.layout / "blobs" / digest.replace(":", "/")
        if not blob.is_file():
            self._send(404, b'{"errors":[{"code":"NOT_FOUND"}]}', "application/json")
            return
        server.registry.gets[kind] += with_body
        type_ = _MANIFEST if kind == "manifests" else "application/octet-stream"
        self._send(200, blob.read_bytes(), type_, digest=digest)

    def _send(self, code: int, body: bytes, type_: str, *, digest: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
