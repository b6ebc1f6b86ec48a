"""A real S3 server over a folder (rclone), behind a proxy that counts requests and can be cut off."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tidegate.testing.engine import wait_until

RCLONE = Path(sys.executable).with_name("rclone")
KEY, SECRET = "AKIATIDEGATETESTS001", "a-secret-that-must-never-be-shown-0001"
_REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")


class S3Store:
    """Buckets are folders of `root`. `requests`: method and path of each, as the server got them."""

    def __init__(self, root: Path, server_port: int) -> None:
        self.root, self._server_port = root, server_port
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._up = threading.Event()
        self._up.set()
        self._ended = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.endpoint}"

    def put(self, path: str, content: bytes) -> None:
        """An object: bucket and key."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def reads(self, path: str) -> int:
        """How often an object's data was asked for."""
        return sum(1 for request in self.requests if request.startswith(f"GET /{path}"))

    def down(self) -> None:
        """Connections are taken and dropped."""
        self._up.clear()

    def up(self) -> None:
        self._up.set()

    def end(self) -> None:
        self._ended = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if not self._up.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._server_port)) as server:
                while self._up.is_set():
                    ready, _, _ = select.select([client, server], [], [], 0.5)
                    for side in ready:
                        data = side.recv(1 << 16)
                        if not data:
                            return
                        if side is client:
                            self._note(data)
                        (server if side is client else client).sendall(data)

    def _note(self, data: bytes) -> None:
        for method, path in _REQUEST.findall(data):
            self.requests.append(f"{method.decode()} {path.decode()}")


@contextmanager
def s3_store(root: Path) -> Iterator[S3Store]:
    """Ended with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(RCLONE), "serve", "s3", "--auth-key", f"{KEY},{SECRET}", "--addr"]
    command += [f"127.0.0.1:{port}", "--dir-cache-time", "0s", "--vfs-cache-mode", "off", str(root)]
    server = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env={"HOME": str(root.parent), "PATH": "/usr/bin:/bin"}
    )
    store = None
    try:
        wait_until("rclone listens", lambda: _listens(port))
        store = S3Store(root, port)
        yield store
    finally:
        if store is not None:
            store.end()
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False
