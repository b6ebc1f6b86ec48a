"""A pod of the event tests: takes CloudEvents, writes each down, and answers after a moment.

An event whose body has `reply` is answered by an event of its own. What came is appended to events.jsonl in
the working folder, one line each.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
THINK_S = float(os.environ.get("THINK_S", "0.15"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"ok", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        time.sleep(THINK_S)
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = json.dumps({"path": self.path, "headers": headers, "body": body}) + "\n"
        written = os.open(HERE / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(written, line.encode())
        os.close(written)
        if "reply" not in body:
            return self.answer(b"PlayMusic", {})
        event = {
            "ce-specversion": "1.0",
            "ce-id": f"answer to {headers['ce-id']}",
            "ce-type": "intent",
            "ce-source": "/intent",
        }
        return self.answer(b"PlayMusic", event)

    def answer(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what came is in the file."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    server.daemon_threads = False
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
