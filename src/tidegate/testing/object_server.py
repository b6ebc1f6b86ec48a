"""A small object store that misbehaves as it is told, and counts what it is asked.

It speaks as much of S3 as reading needs: ListObjectsV2, GET with Range and If-Match. Trouble is a queue of
what to do with the next reads of an object; an empty queue is a good server.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class Blob:
    data: bytes
    etag: str = ""

    def __post_init__(self) -> None:
        self.etag = self.etag or hashlib.md5(self.data).hexdigest()


@dataclass
class ObjectServer:
    """What it holds, what it does, what it saw. `reads` counts GETs of objects, `sent` their bytes."""

    objects: dict[str, Blob] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    ranges: bool = True
    bytes_a_second: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    on_read: Callable[[int], None] = lambda count: None
    lists: int = 0
    reads: int = 0
    sent: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, data: bytes, etag: str = "") -> None:
        self.objects[key] = Blob(data, etag)


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """One that listens on loopback as long as the block lasts."""
    state = ObjectServer()

    class Handler(_Handler):
        server_state = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: ObjectServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        state = self.server_state
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if not key and "list-type" in parts.query:
            state.lists += 1
            self._list(bucket, parse_qs(parts.query).get("prefix", [""])[0])
            return
        with state.lock:
            state.reads += 1
            count = state.reads
            trouble = state.trouble.pop(0) if state.trouble else ""
        state.on_read(count)
        self._object(f"{bucket}/{key}", trouble)

    def _list(self, bucket: str, prefix: str) -> None:
        found = sorted(
            (name.partition("/")[2], blob)
            for name, blob in self.server_state.objects.items()
            if name.startswith(f"{bucket}/{prefix}")
        )
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(blob.data)}</Size>"
            f"<ETag>&quot;{blob.etag}&quot;</ETag></Contents>"
            for key, blob in found
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        self._whole(200, body.encode())

    def _whole(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _object(self, name: str, trouble: str) -> None:
        state = self.server_state
        blob = state.objects.get(name)
        if trouble.isdigit():
            self._whole(int(trouble), b"")
            return
        if blob is None:
            self._whole(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        wanted = self.headers.get("If-Match", "").strip('"')
        if wanted and wanted != blob.etag:
            self._whole(412, b"")
            return
        start, end = 0, len(blob.data)
        ranged = self.headers.get("Range", "") if state.ranges else ""
        if ranged:
            first, _, last = ranged.removeprefix("bytes=").partition("-")
            start, end = int(first), min(end, int(last) + 1)
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(blob.data)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", f'"{blob.etag}"')
        for header, value in state.headers.items():
            self.send_header(header, value)
        self.end_headers()
        self._body(blob.data[start:end], trouble)

    def _body(self, data: bytes, trouble: str) -> None:
        state = self.server_state
        if trouble == "hang":
            time.sleep(30)
        if trouble == "truncate":
            data = data[: len(data) // 2]
        if trouble == "flip":
            data = bytes([data[0] ^ 1]) + data[1:]
        for at in range(0, len(data), 1 << 18):
            chunk = data[at : at + (1 << 18)]
            try:
                self.wfile.write(chunk)
            except OSError:
                self.close_connection = True
                return
            with state.lock:
                state.sent += len(chunk)
            if state.bytes_a_second:
                time.sleep(len(chunk) / state.bytes_a_second)
        if trouble == "truncate":
            self.close_connection = True
